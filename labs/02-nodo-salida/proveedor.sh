# shellcheck shell=bash
# Dónde se crea el nodo: en esta máquina, en la máquina virtual del curso, o donde diga PROVEEDOR. Con SIMULADA=sí,
# en una imitación de la nube de Google: sin cuenta y sin costo.
case $MODO in
  local) PROVEEDOR=local ;;
  vm) PROVEEDOR=vm ;;
  *) PROVEEDOR=${PROVEEDOR:-gcp} ;;
esac
# shellcheck disable=SC2034  # lo usan los pasos
DONDE=(--provider "$PROVEEDOR")
[[ $MODO != nube || -z ${SIMULADA:-} ]] || DONDE+=(--simulada)

# shellcheck shell=bash
# Dónde se crea el nodo: en esta máquina, en la máquina virtual del curso, o donde diga PROVEEDOR.
case $MODO in
  local) PROVEEDOR=local ;;
  vm) PROVEEDOR=vm ;;
  *) PROVEEDOR=${PROVEEDOR:-gcp} ;;
esac

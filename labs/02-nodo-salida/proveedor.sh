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

# Cómo se llama: quien tiene una clave del curso le pone su código, para que dos alumnos de un mismo proyecto de la nube
# no pidan lo mismo. El nombre que se eligió vale hasta la limpieza, aunque la clave llegue después.
if [[ ! -s nodo ]]; then
  clave=${XDG_CONFIG_HOME:-$HOME/.config}/tunelab/clave codigo=
  [[ ! -r $clave ]] || read -r _ codigo _ <"$clave" || true
  codigo=$(LC_ALL=C tr -cs 'A-Za-z0-9\n' - <<<"$codigo" | LC_ALL=C tr '[:upper:]' '[:lower:]')
  codigo=${codigo#-}
  codigo=${codigo:0:38} # un nombre tiene 50 caracteres a lo sumo
  codigo=${codigo%-}
  printf '%s\n' "nodo-lab-02${codigo:+-$codigo}" >nodo
fi
# shellcheck disable=SC2034  # lo usan los pasos
read -r NODO_DEL_LAB <nodo

# shellcheck shell=bash
# La ficha: lo que usted va viendo de su equipo, una línea por dato. La revisión la compara con el equipo.
FICHA=ficha.txt

# anotar CLAVE VALOR: escribe un dato, en lugar del que hubiera con esa clave.
anotar() {
  local anterior=''
  [[ ! -f $FICHA ]] || anterior=$(grep -v "^$1=" "$FICHA" || true)
  printf '%s\n' ${anterior:+"$anterior"} "$1=$2" >"$FICHA"
  decir "  (en la ficha: $1=$2)"
}

# shellcheck shell=bash
# Lo que comparten los pasos de todos los laboratorios. Un paso empieza así:
#
#   source "$(dirname "$0")/../pasos.sh"
#
# y con eso tiene las direcciones del laboratorio, una carpeta de trabajo y estas funciones:
#
#   ver ORDEN…                             muestra la orden y la corre
#   seguir ORDEN…                          igual, para las que avanzan a la vista o preguntan algo
#   dejar_en_marcha NOMBRE AVISO ORDEN…    la deja corriendo, y espera a que sus mensajes digan AVISO
#   detener NOMBRE                         termina lo que quedó en marcha con ese nombre
#   detener_todo                           termina todo lo de este laboratorio
#
# Las direcciones: MODO (local, vm o nube), LOCAL (la aplicación), REMOTE (el lado público) y CONTROL (donde
# el nodo de salida espera al cliente). Son las que guardó «lab iniciar»; sin él, las del modo local.
set -euo pipefail

carpeta=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
[[ $(basename "$carpeta") == errores ]] && carpeta=$(dirname "$carpeta")
numero=$(basename "$carpeta")
numero=${numero%%-*}

# La carpeta de trabajo: los procesos que quedan en marcha, sus mensajes y el token. Es solo suya.
ESTADO=${XDG_STATE_HOME:-$HOME/.local/state}/tunelab/labs/$numero
umask 077
aqui=$PWD
mkdir -p "$ESTADO"
cd "$ESTADO"

if [[ -z ${MODO:-} && -f entorno ]]; then
  # shellcheck source=/dev/null
  source ./entorno
fi
MODO=${MODO:-local}
LOCAL=${LOCAL:-localhost:5000}
case $MODO in
  vm) REMOTE=${REMOTE:-exit-node:8000} ;;
  *) REMOTE=${REMOTE:-localhost:8000} ;;
esac
CONTROL=${CONTROL:-ws://${REMOTE%:*}:8123}
# shellcheck disable=SC2034  # lo usan los pasos
TAREAS=todo/api/v1.0/tasks

# Los programas del curso, aunque no se haya activado el entorno. En la máquina virtual ya están, y el entorno
# que se ve allí es el del equipo que la tiene adentro.
[[ $MODO == vm ]] || PATH=$(cd "$carpeta/../.." && pwd)/.venv/bin:$PATH

decir() { printf '%s\n' "$*"; }

# La ruta de un archivo que se dio desde la carpeta donde estaba quien corrió el paso.
desde_aqui() { if [[ $1 == /* ]]; then decir "$1"; else decir "$aqui/$1"; fi; }

fallar() {
  printf '%s\n' "$*" >&2
  exit 3
}

# Muestra una orden como se escribiría en la terminal, con un + adelante.
mostrar() {
  local palabra linea='+'
  for palabra in "$@"; do
    palabra=${palabra#"$carpeta"/}
    if [[ $palabra =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then
      linea+=" $palabra"
    else
      linea+=" '$palabra'"
    fi
  done
  decir "$linea"
}

ver() {
  mostrar "$@"
  local salida codigo=0
  salida=$("$@"; codigo=$?; printf x; exit "$codigo") || codigo=$?
  salida=${salida%x}
  printf '%s' "$salida"
  # Algunas respuestas no terminan en un salto de línea, y la orden siguiente quedaría pegada.
  [[ -z $salida || $salida == *$'\n' ]] || decir
  return "$codigo"
}

# Muestra una orden y la corre tal cual, para las que avanzan a la vista o preguntan algo.
seguir() {
  mostrar "$@"
  "$@"
}

# Un proceso se conoce por su número y por el momento en que empezó: los números se repiten.
_huella() { LC_ALL=C ps -o lstart= -o args= -p "$1" 2>/dev/null || true; }

_vive() {
  local pid huella
  [[ -f $1.pid ]] || return 1
  { read -r pid && read -r huella; } <"$1.pid" || return 1
  [[ -n $pid && $(_huella "$pid") == "$huella" && $(ps -o stat= -p "$pid") != Z* ]]
}

dejar_en_marcha() {
  local nombre=$1 aviso=$2 intento pid
  shift 2
  mostrar "$@"
  if _vive "$nombre"; then
    decir "  (ya estaba en marcha)"
    return
  fi
  : >"$nombre.log"
  nohup "$@" >>"$nombre.log" 2>&1 </dev/null &
  pid=$!
  for ((intento = 0; intento < 300; intento++)); do
    if grep -q -- "$aviso" "$nombre.log"; then
      printf '%s\n%s\n' "$pid" "$(_huella "$pid")" >"$nombre.pid"
      cat "$nombre.log"
      decir "  (queda en marcha; sus mensajes: $(_corta "$ESTADO/$nombre.log"))"
      return
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$nombre.log" >&2
  kill "$pid" 2>/dev/null || true
  fallar "«$1 ${2:-}» no se puso en marcha: arriba están sus mensajes."
}

_corta() {
  # shellcheck disable=SC2088  # la tilde es para quien lee
  if [[ $1 == "$HOME"/* ]]; then decir "~/${1#"$HOME"/}"; else decir "$1"; fi
}

detener() {
  local pid intento
  if _vive "$1"; then
    read -r pid <"$1.pid"
    kill -TERM "$pid"
    kill -CONT "$pid" 2>/dev/null || true
    for ((intento = 0; intento < 120; intento++)); do
      _vive "$1" || break
      sleep 0.1
    done
    if _vive "$1"; then kill -KILL "$pid"; fi
    decir "Se detuvo: $1"
  fi
  rm -f "$1.pid"
}

detener_todo() {
  local archivo
  # El cliente primero, y la aplicación al final: en el orden contrario al que empezaron.
  for archivo in $(ls -t -- *.pid 2>/dev/null || true); do
    detener "${archivo%.pid}"
  done
}

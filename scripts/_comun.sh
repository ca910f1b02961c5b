# Lo que comparten los programas de los laboratorios; se carga con «source». Los busca en el PATH, que es donde
# los tienen las máquinas virtuales, o en el .venv de este proyecto.
# shellcheck shell=bash

proyecto=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# programa NOMBRE: deja en $ruta dónde está, o termina diciendo cómo conseguirlo.
programa() {
  if ruta=$(command -v "$1"); then
    return
  fi
  ruta=$proyecto/.venv/bin/$1
  if [[ ! -x $ruta ]]; then
    echo "No se encontró el programa «$1». Prepare el proyecto una vez: $proyecto/scripts/demo --once" >&2
    exit 3
  fi
}

# en_la_laptop: si esta es la máquina virtual del curso.
en_la_laptop() { [[ -e /etc/tunelab/conexion.toml ]]; }

# correr ORDEN…: la muestra y se convierte en ella.
correr() {
  { printf '+' && printf ' %q' "$@" && echo; } >&2
  exec "$@"
}

#!/usr/bin/env bash
# Falla: sheet_is_yours (another-user)
# Modos: local, vm, nube
# La ficha la hizo otra persona en la misma máquina.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/ficha.sh"

"$carpeta/solucion.sh"
anotar usuario otra-persona

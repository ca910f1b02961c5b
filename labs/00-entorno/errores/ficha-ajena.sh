#!/usr/bin/env bash
# Falla: sheet_is_yours (another-machine)
# Modos: local, vm, nube
# Entregó la ficha que hizo en otra máquina.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/ficha.sh"

"$carpeta/solucion.sh"
anotar equipo otra-maquina

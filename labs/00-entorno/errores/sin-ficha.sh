#!/usr/bin/env bash
# Falla: sheet_is_yours (no-sheet)
# Modos: local, vm, nube
# Puso en marcha la aplicación y no anotó nada.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/04-puerta-privada.sh"

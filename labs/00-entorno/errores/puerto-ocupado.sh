#!/usr/bin/env bash
# Falla: mode_is_ready (port-taken)
# Modos: local
# Dejó otro servidor en el puerto que va a usar el lado público.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
dejar_en_marcha otro 'Serving HTTP' python3 -u -m http.server --bind 127.0.0.1 8000

#!/usr/bin/env bash
# Falla: client_is_connected (no-client)
# Modos: local, vm, nube
# Puso en marcha la aplicación y el nodo de salida, y nadie los une.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"

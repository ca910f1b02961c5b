#!/usr/bin/env bash
# Falla: node_exists (no-node)
# Modos: local, vm, nube
# Solo puso en marcha la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"

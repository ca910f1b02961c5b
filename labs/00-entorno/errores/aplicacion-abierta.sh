#!/usr/bin/env bash
# Falla: app_is_private (open-to-everybody)
# Modos: local, nube
# Abrió la aplicación a toda la red, «para probar».
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --host 0.0.0.0 --port "${LOCAL##*:}"
"$carpeta/solucion.sh"

#!/usr/bin/env bash
# Falla: app_is_private (open-to-everybody)
# Para que el nodo llegara a la aplicación, la abrió a toda la red.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --host 0.0.0.0 --port "${LOCAL##*:}"
"$carpeta/04-crear.sh"

#!/usr/bin/env bash
# Falla: app_is_private (open-to-everybody)
# Hizo todos los pasos, con la aplicación abierta a toda la red.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --host 0.0.0.0 --port "${LOCAL##*:}"
"$carpeta/solucion.sh"

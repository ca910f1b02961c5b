#!/usr/bin/env bash
# Falla: app_is_private (open-to-everybody)
# El túnel está bien, y la aplicación quedó además abierta a toda la red.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --host 0.0.0.0 --port "${LOCAL##*:}"
"$carpeta/02-nodo-de-salida.sh"
"$carpeta/03-cliente.sh"

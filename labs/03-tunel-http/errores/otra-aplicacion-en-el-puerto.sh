#!/usr/bin/env bash
# Falla: app_answers (not-the-app)
# En el puerto de la aplicación dejó otro servidor web.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

dejar_en_marcha aplicacion 'Escuchando' python3 "$carpeta/espejo.py" "${LOCAL##*:}"
"$carpeta/02-nodo-de-salida.sh"
conectar "http://$LOCAL"

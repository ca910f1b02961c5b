#!/usr/bin/env bash
# Falla: app_answers (not-the-app)
# En el puerto de la aplicación dejó otro servidor web.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Escuchando' python3 "$carpeta/espejo.py" "${LOCAL##*:}"
"$carpeta/02-nodo-de-salida.sh"
dejar_en_marcha cliente 'Túnel abierto' \
  tunnel client --url "$CONTROL" --upstream "http://$LOCAL" --token-file token.txt

#!/usr/bin/env bash
# Falla: app_answers (nobody-answers)
# Puso en marcha el túnel y olvidó la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/02-nodo-de-salida.sh"
dejar_en_marcha cliente 'Túnel abierto' \
  tunnel client --url "$CONTROL" --upstream "http://$LOCAL" --token-file token.txt

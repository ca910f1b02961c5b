#!/usr/bin/env bash
# Falla: task_passes (another-app)
# El túnel existe, y lleva a la aplicación de otra persona.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
dejar_en_marcha ajena 'Termine con' gtd-app serve --en-memoria --port 5001
"$carpeta/02-nodo-de-salida.sh"
dejar_en_marcha cliente 'Túnel abierto' \
  tunnel client --url "$CONTROL" --upstream http://localhost:5001 --token-file token.txt

#!/usr/bin/env bash
# Falla: client_is_connected (upstream-refused)
# El cliente lleva a un puerto en el que no hay nada.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"
dejar_en_marcha cliente 'Túnel abierto' \
  tunnel client --url "$CONTROL" --upstream http://localhost:5050 --token-file token.txt

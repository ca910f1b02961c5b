#!/usr/bin/env bash
# Falla: tunnel_comes_back (did-not-come-back)
# Corre el cliente dentro de un programa que lo termina la primera vez que pierde el enlace.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"
dejar_en_marcha cliente 'Túnel abierto' python3 "$carpeta/errores/sin_vuelta.py" \
  tunnel client --url "$CONTROL" --upstream "http://$LOCAL" --token-file token.txt

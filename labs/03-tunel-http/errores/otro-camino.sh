#!/usr/bin/env bash
# Falla: cut_shows (still-answers)
# Delante del nodo de salida puso un intermediario que, si el túnel falla, va directamente a la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
ver tunnel token --salida token.txt
dejar_en_marcha servidor 'Esperando al cliente' \
  tunnel server --port 8001 --control-port "${CONTROL##*:}" --token-file token.txt --ping-interval 1
dejar_en_marcha intermediario 'Escuchando' \
  python3 "$carpeta/errores/intermediario.py" "${REMOTE##*:}" 8001 "${LOCAL##*:}"
"$carpeta/03-cliente.sh"

#!/usr/bin/env bash
# Falla: task_passes (not-created)
# Modos: local, vm, nube
# Entre el cliente y la aplicación puso un intermediario que solo deja leer.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

"$carpeta/01-aplicacion.sh"
dejar_en_marcha intermediario 'Escuchando' \
  python3 "$carpeta/errores/intermediario.py" --solo-lectura 5001 "${LOCAL##*:}"
"$carpeta/02-nodo-de-salida.sh"
conectar http://localhost:5001

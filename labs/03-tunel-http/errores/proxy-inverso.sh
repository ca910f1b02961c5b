#!/usr/bin/env bash
# Falla: exit_node_answers (proxy)
# En el puerto público puso un proxy inverso, que abre él la conexión hacia la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
dejar_en_marcha proxy 'Escuchando' python3 "$carpeta/errores/intermediario.py" "${REMOTE##*:}" "${LOCAL##*:}"

#!/usr/bin/env bash
# Falla: exit_node_answers (not-a-tunnel)
# En el puerto público quedó un programa que no tiene que ver.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
dejar_en_marcha otro 'Escuchando' python3 "$carpeta/espejo.py" "${REMOTE##*:}"

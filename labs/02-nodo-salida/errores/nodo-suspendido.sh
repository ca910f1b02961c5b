#!/usr/bin/env bash
# Falla: node_waits_for_a_client (nobody-answers)
# Dejó suspendido el servidor del nodo, como con Ctrl-Z: está, y no atiende.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
servidor=$(ss -Hltnp "sport = :${REMOTE##*:}" | sed -n 's/.*pid=\([0-9]*\),.*/\1/p')
kill -STOP "$servidor"

#!/usr/bin/env bash
# Falla: node_exists (node-stopped)
# Creó el nodo, y después terminó su servidor a mano.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
servidor=$(ss -Hltnp "sport = :${REMOTE##*:}" | sed -n 's/.*pid=\([0-9]*\),.*/\1/p')
kill -KILL "$servidor"

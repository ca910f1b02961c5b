#!/usr/bin/env bash
# Falla: connection_file_is_private (no-connection-file)
# Modos: local, vm, nube
# Creó el nodo sin guardar su archivo de conexión en la carpeta de trabajo.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/proveedor.sh"

"$carpeta/01-aplicacion.sh"
seguir tunnel exit-node create "${DONDE[@]}" --nombre "$NODO_DEL_LAB" --lab 02 --si

#!/usr/bin/env bash
# Falla: connection_file_is_private (no-connection-file)
# Creó el nodo sin guardar su archivo de conexión en la carpeta de trabajo.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
ver tunnel exit-node create --provider local --nombre nodo-lab-02 --lab 02 --si

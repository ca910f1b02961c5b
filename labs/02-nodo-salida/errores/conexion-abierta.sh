#!/usr/bin/env bash
# Falla: connection_file_is_private (open-connection-file)
# Modos: local, vm, nube
# Dejó que todos pudieran leer el archivo de conexión, que lleva el token.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
chmod 644 conexion.toml

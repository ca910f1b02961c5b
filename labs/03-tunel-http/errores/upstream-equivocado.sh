#!/usr/bin/env bash
# Falla: client_is_connected (upstream-refused)
# Modos: local, vm, nube
# El cliente lleva a un puerto en el que no hay nada.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"
conectar http://localhost:5050

#!/usr/bin/env bash
# Falla: tunnel_comes_back (did-not-come-back)
# Modos: local, vm, nube
# Corre el cliente dentro de un programa que lo termina la primera vez que pierde el enlace.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"
conectar "http://$LOCAL" python3 "$carpeta/errores/sin_vuelta.py"

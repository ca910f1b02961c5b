#!/usr/bin/env bash
# Falla: app_answers (nobody-answers)
# Puso en marcha el túnel y olvidó la aplicación.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

"$carpeta/02-nodo-de-salida.sh"
conectar "http://$LOCAL"

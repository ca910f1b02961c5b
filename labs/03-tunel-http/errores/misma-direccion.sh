#!/usr/bin/env bash
# Falla: exit_node_answers (same-address)
# Dio como lado público la dirección de la aplicación misma.
source "$(dirname "$0")/../../pasos.sh"

ver lab iniciar 03 --remoto "http://$LOCAL"
"$carpeta/01-aplicacion.sh"

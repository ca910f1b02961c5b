#!/usr/bin/env bash
# Falla: exit_node_answers (nobody-answers)
# Solo puso en marcha la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"

#!/usr/bin/env bash
# Falla: app_answers (nobody-answers)
# Creó el nodo y olvidó la aplicación.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/04-crear.sh"

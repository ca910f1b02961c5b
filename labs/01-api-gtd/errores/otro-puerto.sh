#!/usr/bin/env bash
# Falla: app_answers (nobody-answers)
# Puso la aplicación en otro puerto.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --port 5001

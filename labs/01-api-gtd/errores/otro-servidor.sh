#!/usr/bin/env bash
# Falla: app_answers (not-the-app)
# En el puerto de la aplicación corre otro servidor web.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Serving HTTP' python3 -u -m http.server --bind 127.0.0.1 "${LOCAL##*:}"

#!/usr/bin/env bash
# Paso 6. Pedir mal, a propósito: tres errores de quien pide.
source "$(dirname "$0")/../pasos.sh"

ver curl --silent -X POST -d '{ "title": "write a book" }' "http://$LOCAL/$TAREAS"
ver curl --silent -X POST -d '{ "description": "sin título" }' -H 'Content-type: application/json' \
  "http://$LOCAL/$TAREAS"
ver curl --silent -o /dev/null -w '%{http_code}\n' -X PATCH "http://$LOCAL/$TAREAS"

#!/usr/bin/env bash
# Paso 4. Una tarea creada por el lado público aparece en la aplicación local.
source "$(dirname "$0")/../pasos.sh"

ver curl --silent "http://$LOCAL/$TAREAS"
if curl --silent "http://$LOCAL/$TAREAS" | grep 'write a book' >/dev/null; then
  decir "  (la tarea ya se creó antes: crearla otra vez haría dos)"
else
  ver curl --silent -X POST -d '{ "title": "write a book" }' -H 'Content-type: application/json' \
    "http://$REMOTE/$TAREAS"
fi
ver curl --silent "http://$LOCAL/$TAREAS"

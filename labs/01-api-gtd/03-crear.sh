#!/usr/bin/env bash
# Paso 3. Crear una tarea.
source "$(dirname "$0")/../pasos.sh"

if curl --silent "http://$LOCAL/$TAREAS" | grep '"title": "write a book"' >/dev/null; then
  decir "La tarea ya está creada: con otro POST serían dos."
else
  ver curl --silent -i -X POST -d '{ "title": "write a book" }' -H 'Content-type: application/json' \
    "http://$LOCAL/$TAREAS"
fi

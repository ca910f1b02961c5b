#!/usr/bin/env bash
# Paso 4. Marcar la tarea como hecha.
source "$(dirname "$0")/../pasos.sh"

# En la respuesta, el id está en la línea anterior a la del título.
id=$(curl --silent "http://$LOCAL/$TAREAS" | grep --before-context=1 '"title": "write a book"' |
  sed -n 's/.*"id": \([0-9]*\),.*/\1/p' | head -n 1)
[[ -n $id ]] || fallar "Todavía no está la tarea: ./03-crear.sh"
ver curl --silent -X PUT -d '{ "done": true }' -H 'Content-type: application/json' "http://$LOCAL/$TAREAS/$id"

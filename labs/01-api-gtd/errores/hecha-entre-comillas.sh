#!/usr/bin/env bash
# Falla: task_is_done (task-pending)
# Modos: local, vm, nube
# Envió "true", que es un texto, en vez de true.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/03-crear.sh"
ver curl --silent -X PUT -d '{ "done": "true" }' -H 'Content-type: application/json' "http://$LOCAL/$TAREAS/3"
"$carpeta/05-borrar.sh"

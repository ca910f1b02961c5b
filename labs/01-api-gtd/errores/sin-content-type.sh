#!/usr/bin/env bash
# Falla: task_was_created (no-task)
# Modos: local, vm, nube
# Olvidó decir que lo que envía es JSON: la respuesta fue 415 y no se creó nada.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
ver curl --silent -X POST -d '{ "title": "write a book" }' "http://$LOCAL/$TAREAS"
"$carpeta/05-borrar.sh"

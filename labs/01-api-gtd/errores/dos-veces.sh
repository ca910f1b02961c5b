#!/usr/bin/env bash
# Falla: task_was_created (created-twice)
# Modos: local, vm, nube
# Como no vio la primera respuesta, repitió el POST.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
ver curl --silent -X POST -d '{ "title": "write a book" }' -H 'Content-type: application/json' "http://$LOCAL/$TAREAS"

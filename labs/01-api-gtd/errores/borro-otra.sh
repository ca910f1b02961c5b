#!/usr/bin/env bash
# Falla: task_was_deleted (deleted-another)
# Modos: local, vm, nube
# Borró la tarea 1.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/03-crear.sh"
"$carpeta/04-cambiar.sh"
ver curl --silent -X DELETE "http://$LOCAL/$TAREAS/1"

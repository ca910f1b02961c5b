#!/usr/bin/env bash
# Falla: task_was_deleted (not-deleted)
# Modos: local, vm, nube
# Pidió la tarea 2 en vez de borrarla: sin -X, curl lee.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/03-crear.sh"
"$carpeta/04-cambiar.sh"
ver curl --silent "http://$LOCAL/$TAREAS/2"

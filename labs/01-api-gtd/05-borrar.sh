#!/usr/bin/env bash
# Paso 5. Borrar la tarea 2, y pedirla después.
source "$(dirname "$0")/../pasos.sh"

ver curl --silent -i -X DELETE "http://$LOCAL/$TAREAS/2"
ver curl --silent -i "http://$LOCAL/$TAREAS/2"

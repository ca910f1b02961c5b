#!/usr/bin/env bash
# Paso 2. Leer: todas las tareas, y una sola con su código y sus cabeceras.
source "$(dirname "$0")/../pasos.sh"

ver curl --silent "http://$LOCAL/$TAREAS"
ver curl --silent -i "http://$LOCAL/$TAREAS/1"

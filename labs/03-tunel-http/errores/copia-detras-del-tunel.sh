#!/usr/bin/env bash
# Falla: task_passes (copy-behind-tunnel)
# El túnel lleva a otra aplicación, que empezó con una copia de las tareas.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --db tareas.db --port "${LOCAL##*:}"
ver curl --silent -X POST -d '{ "title": "write a book" }' -H 'Content-type: application/json' "http://$LOCAL/$TAREAS"
detener aplicacion # para copiar los datos enteros
cp tareas.db copia.db
dejar_en_marcha aplicacion 'Termine con' gtd-app serve --db tareas.db --port "${LOCAL##*:}"
dejar_en_marcha copia 'Termine con' gtd-app serve --db copia.db --port 5001
"$carpeta/02-nodo-de-salida.sh"
conectar http://localhost:5001

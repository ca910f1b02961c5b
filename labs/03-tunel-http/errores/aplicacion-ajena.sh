#!/usr/bin/env bash
# Falla: task_passes (another-app)
# Modos: local, vm, nube
# El túnel existe, y lleva a la aplicación de otra persona.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/cliente.sh"

"$carpeta/01-aplicacion.sh"
dejar_en_marcha ajena 'Termine con' gtd-app serve --en-memoria --port 5001
"$carpeta/02-nodo-de-salida.sh"
conectar http://localhost:5001

#!/usr/bin/env bash
# Pone en marcha la aplicación que se va a compartir, en http://localhost:5000, hasta Ctrl-C.
#
#   ./scripts/correr-gtd-app.sh                las tareas se guardan
#   ./scripts/correr-gtd-app.sh --en-memoria   lo que se agregue se le pasa a «gtd-app serve»
set -euo pipefail
# shellcheck source=scripts/_comun.sh
source "$(dirname "${BASH_SOURCE[0]}")/_comun.sh"

if en_la_laptop && [[ $# -eq 0 ]] && systemctl is-active --quiet gtd-app; then
  echo "La aplicación ya está en marcha, como servicio: http://localhost:5000 (sudo systemctl status gtd-app)"
  exit 0
fi
programa gtd-app
correr "$ruta" serve "$@"

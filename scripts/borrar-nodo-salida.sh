#!/usr/bin/env bash
# Borra un nodo de salida y todo lo suyo, y le pregunta al proveedor qué queda. Puede repetirse.
#
#   ./scripts/borrar-nodo-salida.sh            el único que hay
#   ./scripts/borrar-nodo-salida.sh NOMBRE …   lo demás se le pasa a «tunnel exit-node delete»
set -euo pipefail
# shellcheck source=scripts/_comun.sh
source "$(dirname "${BASH_SOURCE[0]}")/_comun.sh"

programa tunnel
correr "$ruta" exit-node delete "$@"

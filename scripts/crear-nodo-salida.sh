#!/usr/bin/env bash
# Crea un nodo de salida: muestra el plan, pregunta y lo hace. Puede repetirse: continúa donde iba.
#
#   ./scripts/crear-nodo-salida.sh                      en esta máquina; en la laptop, con la máquina exit-node
#   ./scripts/crear-nodo-salida.sh --provider gcp …     lo demás se le pasa a «tunnel exit-node create»
set -euo pipefail
# shellcheck source=scripts/_comun.sh
source "$(dirname "${BASH_SOURCE[0]}")/_comun.sh"

proveedor=local
if en_la_laptop; then proveedor=vm; fi
for palabra in "$@"; do
  case $palabra in
    --provider | --provider=* | -h | --help | --ayuda) proveedor= ;;
  esac
done
programa tunnel
correr "$ruta" exit-node create ${proveedor:+--provider "$proveedor"} "$@"

#!/usr/bin/env bash
# Conecta la aplicación con el nodo de salida que usted creó, y se queda hasta Ctrl-C. No hay que copiar nada: el
# archivo de conexión es el del nodo.
#
#   ./scripts/correr-cliente.sh                                     comparte http://localhost:5000
#   UPSTREAM=http://localhost:8080 ./scripts/correr-cliente.sh      otro servicio
#   CONEXION=archivo.toml ./scripts/correr-cliente.sh               otro nodo
#   ./scripts/correr-cliente.sh --log-level info …                  lo demás se le pasa a «tunnel client»
set -euo pipefail
# shellcheck source=scripts/_comun.sh
source "$(dirname "${BASH_SOURCE[0]}")/_comun.sh"

programa tunnel
conexion=${CONEXION:-}
if [[ -z $conexion ]] && en_la_laptop && [[ -r ~/conexion.toml ]]; then
  conexion=~/conexion.toml # la dejó el aprovisionamiento; la de un nodo creado después va primero
  if creada=$("$ruta" exit-node show --solo connection_file 2>/dev/null); then conexion=$creada; fi
elif [[ -z $conexion ]]; then
  if ! conexion=$("$ruta" exit-node show --solo connection_file); then
    echo "Cree primero un nodo de salida con ./scripts/crear-nodo-salida.sh, o diga cuál es: CONEXION=ARCHIVO" >&2
    exit 3
  fi
fi
correr "$ruta" client --conexion "$conexion" --upstream "${UPSTREAM:-http://localhost:5000}" "$@"

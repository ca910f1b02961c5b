#!/usr/bin/env bash
# Paso 4. El nodo de salida. Si se interrumpe, la misma orden continúa donde iba.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/proveedor.sh"

# Donde no cuesta nada no hace falta preguntar.
orden=(tunnel exit-node create "${DONDE[@]}" --nombre "$NODO_DEL_LAB" --lab 02 --conexion conexion.toml)
[[ $MODO == nube && -z ${SIMULADA:-} ]] || orden+=(--si)
seguir "${orden[@]}"

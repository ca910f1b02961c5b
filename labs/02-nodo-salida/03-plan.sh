#!/usr/bin/env bash
# Paso 3. Qué se va a hacer, qué se abre y qué cuesta, antes de hacerlo.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/proveedor.sh"

ver tunnel exit-node create "${DONDE[@]}" --nombre "$NODO_DEL_LAB" --lab 02 --plan

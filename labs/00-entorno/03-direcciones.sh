#!/usr/bin/env bash
# Paso 3. Qué direcciones tiene el equipo, y quién llega a cada una.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/ficha.sh"

ver python3 "$carpeta/direcciones.py"
anotar direccion "$(python3 "$carpeta/direcciones.py" --solo)"

#!/usr/bin/env bash
# Falla: tools_work (missing-tool)
# Modos: local, vm, nube
# Se saltó el paso 2: no miró si los programas están.
source "$(dirname "$0")/../../pasos.sh"

for paso in 01-quien-soy 03-direcciones 04-puerta-privada 05-su-modo; do
  "$carpeta/$paso.sh"
done

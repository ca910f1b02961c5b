#!/usr/bin/env bash
# La solución: los pasos, en el orden de la guía. Puede correrse más de una vez.
source "$(dirname "$0")/../pasos.sh"

for paso in 01-quien-soy 02-programas 03-direcciones 04-puerta-privada 05-su-modo; do
  "$carpeta/$paso.sh"
done

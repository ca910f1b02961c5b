#!/usr/bin/env bash
# Falla: app_is_private (nobody-answers)
# Modos: local, nube
# Se saltó el paso 4.
source "$(dirname "$0")/../../pasos.sh"

for paso in 01-quien-soy 02-programas 03-direcciones 05-su-modo; do
  "$carpeta/$paso.sh"
done

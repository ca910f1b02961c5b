#!/usr/bin/env bash
# Falla: mode_is_ready (mode-not-looked-at)
# Modos: local, vm, nube
# Se saltó el paso 5: no miró si está lo que su modo necesita.
source "$(dirname "$0")/../../pasos.sh"

for paso in 01-quien-soy 02-programas 03-direcciones 04-puerta-privada; do
  "$carpeta/$paso.sh"
done

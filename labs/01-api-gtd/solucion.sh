#!/usr/bin/env bash
# La solución: los pasos que cambian algo, en el orden de la guía. Puede correrse más de una vez.
source "$(dirname "$0")/../pasos.sh"

for paso in 01-aplicacion 03-crear 04-cambiar 05-borrar; do
  "$carpeta/$paso.sh"
done

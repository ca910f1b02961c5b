#!/usr/bin/env bash
# La solución: la aplicación y el nodo. Puede correrse más de una vez.
source "$(dirname "$0")/../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/04-crear.sh"

#!/usr/bin/env bash
# La solución: las tres piezas en marcha, en el orden de la guía. Puede correrse más de una vez.
source "$(dirname "$0")/../pasos.sh"

"$carpeta/01-aplicacion.sh"
"$carpeta/02-nodo-de-salida.sh"
"$carpeta/03-cliente.sh"

#!/usr/bin/env bash
# Falla: address_is_noted (another-address)
# Modos: local, vm, nube
# Anotó la dirección de un compañero.
source "$(dirname "$0")/../../pasos.sh"
# shellcheck source=/dev/null
source "$carpeta/ficha.sh"

"$carpeta/solucion.sh"
anotar direccion 192.0.2.77

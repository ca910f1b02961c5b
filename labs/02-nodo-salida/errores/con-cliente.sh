#!/usr/bin/env bash
# Falla: node_waits_for_a_client (has-a-client)
# Modos: local, vm, nube
# Se adelantó: ya conectó el cliente.
source "$(dirname "$0")/../../pasos.sh"

"$carpeta/solucion.sh"
dejar_en_marcha cliente 'Túnel abierto' tunnel client --conexion conexion.toml --upstream "http://$LOCAL"

#!/usr/bin/env bash
# Paso 6. Se corta el túnel; después vuelve.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == vm ]]; then
  ver sudo systemctl stop tunnel-client
else
  detener cliente
fi
ver curl --silent -i "http://$REMOTE/$TAREAS"
"$carpeta/03-cliente.sh"

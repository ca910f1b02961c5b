#!/usr/bin/env bash
# Deja todo como estaba: termina lo que los pasos dejaron en marcha y borra el token y los mensajes.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == vm ]]; then
  ver sudo systemctl stop tunnel-client
fi
detener_todo
rm -f -- token.txt ./*.log ./*.db ./*.db-*

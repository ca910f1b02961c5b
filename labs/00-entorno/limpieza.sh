#!/usr/bin/env bash
# Deja todo como estaba: termina la aplicación y quita la ficha.
source "$(dirname "$0")/../pasos.sh"

detener_todo
rm -f -- ficha.txt ./*.log

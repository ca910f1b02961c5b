#!/usr/bin/env bash
# Paso 1. La aplicación en marcha, solo para esta máquina.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == vm ]]; then
  ver systemctl is-active gtd-app # en la laptop ya está en marcha
else
  dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --port "${LOCAL##*:}"
fi
ver curl --silent "http://$LOCAL"

#!/usr/bin/env bash
# Paso 4. Un servicio en la dirección privada: contesta a este equipo, y a nadie más.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == vm ]]; then
  ver systemctl is-active gtd-app # en la laptop ya está en marcha
else
  dejar_en_marcha aplicacion 'Termine con' gtd-app serve --en-memoria --port "${LOCAL##*:}"
fi
ver curl --silent "http://$LOCAL"
# Quién escucha en ese puerto, y en qué dirección.
if command -v ss >/dev/null; then
  ver ss -Hltn "sport = :${LOCAL##*:}"
else
  ver lsof -nP "-iTCP:${LOCAL##*:}" -sTCP:LISTEN
fi

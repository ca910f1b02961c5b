#!/usr/bin/env bash
# Paso 7. En qué dirección escucha la aplicación, y por tanto quién llega a ella.
source "$(dirname "$0")/../pasos.sh"

if command -v ss >/dev/null; then
  ver ss -ltn "sport = :${LOCAL##*:}"
else
  ver lsof -nP "-iTCP:${LOCAL##*:}" -sTCP:LISTEN
fi

#!/usr/bin/env bash
# Paso 2. A la aplicación se llega por 127.0.0.1, y por ninguna otra dirección.
source "$(dirname "$0")/../pasos.sh"

# 127.0.0.2 hace aquí de otra dirección del equipo: también es suya, y en ella la aplicación no escucha.
otra=127.0.0.2
for direccion in "${LOCAL%:*}" "$otra"; do
  ver curl --silent --connect-timeout 2 -o /dev/null -w '%{http_code}\n' "http://$direccion:${LOCAL##*:}" ||
    decir "  (nadie contestó)"
done

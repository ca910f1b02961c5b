#!/usr/bin/env bash
# Paso 5. Lo que el nodo de salida le cuenta a la aplicación sobre el visitante.
source "$(dirname "$0")/../pasos.sh"

[[ $MODO == local ]] || fallar "Este paso se hace en modo local: necesita otro puerto del nodo de salida."
# Un espejo: responde con las cabeceras que le llegan. Tiene su propio túnel, para no tocar el otro.
dejar_en_marcha espejo 'Escuchando' python3 "$carpeta/espejo.py" 4000
dejar_en_marcha cliente-espejo 'Túnel abierto' \
  tunnel client --url "$CONTROL" --upstream espejo.example=http://localhost:4000 --token-file token.txt
ver curl --silent -H 'X-Forwarded-For: 203.0.113.7' http://localhost:4000
ver curl --silent -H 'Host: espejo.example' -H 'X-Forwarded-For: 203.0.113.7' "http://$REMOTE"
detener cliente-espejo
detener espejo

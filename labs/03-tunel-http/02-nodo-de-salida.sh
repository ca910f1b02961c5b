#!/usr/bin/env bash
# Paso 2. El nodo de salida: el lado público, todavía sin nadie detrás.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == local ]]; then
  # El token: el secreto que comparten el servidor y el cliente. Nunca va en la línea de órdenes.
  [[ -f token.txt ]] || ver tunnel token --salida token.txt
  # Un cliente que calla durante dos pings se da por perdido: con 1 s, un corte se nota en 2 s.
  # Con --log-requests anota que una petición pasó, y con qué código; nunca qué decía.
  dejar_en_marcha servidor 'Esperando al cliente' \
    tunnel server --port "${REMOTE##*:}" --control-port "${CONTROL##*:}" --token-file token.txt \
    --ping-interval 1 --log-requests
fi
# En las máquinas virtuales y en la nube el nodo de salida ya está: se le pregunta igual.
ver curl --silent "http://$REMOTE"

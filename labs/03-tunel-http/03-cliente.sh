#!/usr/bin/env bash
# Paso 3. El cliente: abre el enlace, de adentro hacia afuera, y lo mantiene.
source "$(dirname "$0")/../pasos.sh"

case $MODO in
  local)
    [[ -f token.txt ]] || fallar "Falta el token: lo crea ./02-nodo-de-salida.sh"
    dejar_en_marcha cliente 'Túnel abierto' \
      tunnel client --url "$CONTROL" --upstream "http://$LOCAL" --token-file token.txt
    ;;
  vm) ver sudo systemctl start tunnel-client ;;
  nube)
    # El archivo que escribió el nodo de salida: lleva su dirección, el token y con qué reconocerlo.
    CONEXION=$(desde_aqui "${CONEXION:-conexion.toml}")
    [[ -f $CONEXION ]] || fallar "No está $CONEXION: diga dónde lo guardó, con CONEXION=ARCHIVO ./03-cliente.sh"
    dejar_en_marcha cliente 'Túnel abierto' \
      tunnel client --conexion "$CONEXION" --upstream "http://$LOCAL"
    ;;
esac
ver curl --silent --fail --retry 5 "http://$REMOTE"

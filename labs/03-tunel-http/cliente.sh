# shellcheck shell=bash
# Un cliente como el del paso 3, que lleva a donde se le diga: conectar URL [PROGRAMA…], dentro de ese programa.
conectar() {
  local destino=$1
  shift
  local orden=("$@" tunnel client --upstream "$destino")
  if [[ $MODO == local ]]; then
    orden+=(--url "$CONTROL" --token-file token.txt)
  elif [[ $MODO == vm ]]; then
    orden+=(--conexion "$HOME/conexion.toml") # el de la laptop
  else
    orden+=(--conexion "$(desde_aqui "${CONEXION:-conexion.toml}")")
  fi
  dejar_en_marcha cliente 'Túnel abierto' "${orden[@]}"
}

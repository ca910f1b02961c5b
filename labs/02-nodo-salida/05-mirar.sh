#!/usr/bin/env bash
# Paso 5. El nodo creado: dónde está, qué lleva costado, qué responde, y su archivo de conexión.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/proveedor.sh"

# En la nube la dirección se conoce al crear el nodo.
[[ $MODO != nube ]] || REMOTE=$(tunnel exit-node show "$NODO_DEL_LAB" --solo remote)
ver tunnel exit-node list
ver tunnel exit-node cost "$NODO_DEL_LAB"
ver curl --silent -o /dev/null -w '%{http_code}\n' "http://$REMOTE"
# Sin el token: no se muestra en la pantalla.
ver grep -v '^token' conexion.toml

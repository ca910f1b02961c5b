#!/usr/bin/env bash
# Deja todo como estaba: borra el nodo, le pregunta al proveedor si quedó algo, y termina la aplicación.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/proveedor.sh"

# Con --quiet, grep se iría antes de que la otra orden termine de escribir, y eso contaría como una falla.
if tunnel exit-node list --json 2>/dev/null | grep '"nodo-lab-02"' >/dev/null; then
  seguir tunnel exit-node delete nodo-lab-02 --provider "$PROVEEDOR" --si
fi
detener_todo
rm -f -- conexion.toml ./*.log

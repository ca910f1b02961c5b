#!/usr/bin/env bash
# Deja todo como estaba: termina la aplicación, cuyas tareas estaban en memoria.
source "$(dirname "$0")/../pasos.sh"

if [[ $MODO == vm ]]; then
  # En la laptop las tareas están en un archivo: vuelven a ser las dos del comienzo.
  ver sudo -u gtd gtd-app reiniciar --db /var/lib/gtd/tareas.db
fi
detener_todo
rm -f -- ./*.log

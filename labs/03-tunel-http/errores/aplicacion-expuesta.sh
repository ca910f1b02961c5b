#!/usr/bin/env bash
# Falla: exit_node_answers (exposed)
# En vez de tender el túnel, abrió la aplicación misma en el puerto público. La tarea «pasa», y no hay túnel.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --db tareas.db --port "${LOCAL##*:}"
dejar_en_marcha expuesta 'Termine con' gtd-app serve --db tareas.db --host 0.0.0.0 --port "${REMOTE##*:}"

#!/usr/bin/env bash
# Falla: exit_node_answers (copy)
# Copió la base de datos y puso otra aplicación, con la copia, en el puerto público.
source "$(dirname "$0")/../../pasos.sh"

dejar_en_marcha aplicacion 'Termine con' gtd-app serve --db tareas.db --port "${LOCAL##*:}"
cp tareas.db copia.db
dejar_en_marcha copia 'Termine con' gtd-app serve --db copia.db --port "${REMOTE##*:}"

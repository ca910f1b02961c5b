#!/usr/bin/env bash
# Paso 1. Quién es usted y en qué máquina está: con dos máquinas virtuales conviene no dudarlo.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/ficha.sh"

ver id -un
anotar usuario "$(id -un)"
ver uname -n
anotar equipo "$(uname -n)"

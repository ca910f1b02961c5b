#!/usr/bin/env bash
# Paso 2. Los programas que usa el curso: cada uno tiene que estar donde la terminal los busca.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/ficha.sh"

# De los dos que dicen quién escucha, alcanza con uno: ss en Linux, lsof en un Mac.
escucha=ss
command -v ss >/dev/null || escucha=lsof

estan=()
for programa in bash curl ps "$escucha" python3 gtd-app tunnel lab; do
  if command -v "$programa" >/dev/null; then
    estan+=("$programa")
  else
    decir "Falta: $programa"
  fi
done
anotar programas "${estan[*]}"
ver python3 -c 'import sys; print(sys.version_info >= (3, 11))'

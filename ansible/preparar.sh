#!/bin/bash
# First step of the provisioning, inside the guest and as root: gets everything that has to be downloaded, where
# the person can see it advance, so that the play that follows touches no network. What an interrupted download
# left is kept and gone on with.
#
#   preparar.sh [CHECKOUT]        default: /vagrant
#
# With a bundle (scripts/empaquetar) in CHECKOUT/paquete nothing is downloaded at all.
set -euo pipefail

checkout=${1:-/vagrant}
bundle=$checkout/paquete
cache=/var/cache/tunelab
attempts=5

say() { printf '%s\n' "$*"; }

# Runs a command again after a failed one, a little later each time.
insist() {
  local n
  for ((n = 1; n <= attempts; n++)); do
    "$@" && return 0
    ((n == attempts)) && break
    say "No se pudo (intento $n de $attempts); se sigue donde quedó en $((n * 2)) s…"
    sleep $((n * 2))
  done
  say "La red no responde. Cuando vuelva: vagrant provision. Sin red: ./scripts/empaquetar (docs/maquinas-virtuales.md)."
  return 3
}

# Names of Debian packages that the guests need: versions included, comments and blank lines not.
packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$checkout/ansible/paquetes.txt"; }

names() { packages | sed 's/=.*//'; }

installed() {
  local name
  for name in $(names); do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || return 1
  done
}

lock_sum() { sha256sum "$checkout/requirements.lock" | cut -d' ' -f1; }

# Whether the bundle is for this machine and for this version of the project; says why it is not.
bundle_serves() {
  [ -f "$bundle/SHA256SUMS" ] || return 1
  local arch=""
  arch=$(cat "$bundle/arquitectura")
  if [ "$arch" != "$(dpkg --print-architecture)" ]; then
    say "El paquete sin red es para $arch y esta máquina es $(dpkg --print-architecture): se usará la red."
    return 1
  fi
  if ! (cd "$bundle" && sha256sum --check --quiet --strict SHA256SUMS); then
    say "El paquete sin red está dañado o incompleto: cópielo de nuevo. Se usará la red."
    return 1
  fi
  if [ "$(cat "$bundle/requirements.sum")" != "$(lock_sum)" ]; then
    say "El paquete sin red se hizo para otra versión del curso: se usará la red."
    return 1
  fi
}

debian_packages() {
  installed && return 0
  local -a wanted options=()
  mapfile -t wanted < <(packages)
  export DEBIAN_FRONTEND=noninteractive
  if [ "$1" = bundle ]; then
    say "Instalando los programas del paquete sin red…"
    printf 'deb [trusted=yes] file:%s/debs ./\n' "$bundle" > "$cache/bundle.list"
    # Lists and archives of its own: the guest's sources stay as they were.
    mkdir -p "$cache/lists/partial"
    options=(-o "Dir::Etc::sourcelist=$cache/bundle.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$cache/lists")
    apt-get "${options[@]}" update -qq
  else
    say "Descargando los programas de Debian…"
    options=(-o Acquire::Retries=3)
    insist apt-get "${options[@]}" update -qq
    insist apt-get "${options[@]}" install --yes --no-install-recommends --download-only "${wanted[@]}"
    say "Instalando los programas…"
  fi
  apt-get "${options[@]}" install --yes -qq --no-install-recommends "${wanted[@]}" > "$cache/apt.log" 2>&1 || {
    tail -n 20 "$cache/apt.log"
    say "Debian no pudo instalar los programas: el detalle está arriba."
    return 3
  }
  rm -rf "$cache/lists"
}

wheels() {
  [ "$(cat "$cache/wheels/completo" 2>/dev/null)" = "$(lock_sum)" ] && return 0
  mkdir -p "$cache/wheels"
  if [ "$1" = bundle ]; then
    cp "$bundle"/wheels/*.whl "$cache/wheels/"
  else
    say "Descargando las bibliotecas de Python…"
    [ -x /opt/tunelab/venv/bin/pip ] || python3 -m venv /opt/tunelab/venv
    insist /opt/tunelab/venv/bin/pip download --disable-pip-version-check --progress-bar off --only-binary=:all: \
      --require-hashes --dest "$cache/wheels" --requirement "$checkout/requirements.lock"
  fi
  lock_sum > "$cache/wheels/completo"
}

mkdir -p "$cache"

# What the base box came with: scripts/empaquetar needs to know what everybody's box already has.
[ -f "$cache/estado-inicial" ] || cp /var/lib/dpkg/status "$cache/estado-inicial"

# A Windows host has no modes to keep.
if [ -f /home/vagrant/.tunelab-token ]; then chmod 0600 /home/vagrant/.tunelab-token; fi

source=network
if bundle_serves; then source=bundle; fi
debian_packages "$source"
wheels "$source"
say "Programas listos; a continuación se configura la máquina."

#!/bin/bash
# Install, on Debian 12 or later, the exit node whose files are in a folder, and start it. Run as root.
#
#   install-exit-node.sh FOLDER ADDRESS
#
# FOLDER is what tunnel/exitnodes/install packs, checked against its SHA256SUMS; and, the first time, the secret
# (`token` or `tokens.toml`, 0600), which is moved away and never printed. ADDRESS is the node's public address,
# for its certificate. A second run with the same files changes nothing, so that it may run at every boot.
#
# Stdout carries one line, once the exit node answers: the pin of its certificate authority, which is no secret.
# Progress goes to stderr.
set -euo pipefail
umask 077

folder=$1
address=$2
home=/opt/tunelab
settings=/etc/tunelab
authority=/var/lib/tunelab/ca.pem
units=/etc/systemd/system
service=tunnel-server.service

say() { printf 'tunelab: %s\n' "$*" >&2; }

# Standard output belongs to the pin alone, whatever a program below may print.
exec 3>&1 1>&2

# What a mirror or an index refuses now, it may give in a moment: a new machine's network is often still rising.
retry() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if "$@"; then return 0; fi
    say "falló el intento $attempt de: $1"
    sleep $((attempt * 3))
  done
  return 1
}

# Write standard input to a file if it holds anything else; say so in `changed`.
changed=no
put() {
  local text
  text=$(cat)
  if [[ ! -e $1 || $text != "$(<"$1")" ]]; then
    printf '%s\n' "$text" >"$1"
    changed=yes
  fi
}

cd "$folder"
sha256sum --check --quiet SHA256SUMS
read -r secret control_port <settings

(umask 022 && mkdir -p "$home" "$settings")
if [[ -e $secret ]]; then
  if ! cmp --silent "$secret" "$settings/$secret"; then
    install -m 0600 "$secret" "$settings/$secret"
    changed=yes
  fi
  shred -u "$secret"
fi
if [[ ! -s $settings/$secret ]]; then
  say "falta el secreto: no está $secret ni en $folder ni en $settings"
  exit 1
fi

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  say 'instalando python3-venv…'
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get -q -o DPkg::Lock::Timeout=120 update
  retry apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends python3 python3-venv
fi

# The programs and the units others may read. The stamp comes last: an install cut short is begun again.
umask 022
if ! cmp --silent SHA256SUMS "$home/installed"; then
  say 'instalando el túnel…'
  rm -rf "$home/installed" "$home/venv"
  python3 -m venv "$home/venv"
  pip=("$home/venv/bin/python" -m pip --disable-pip-version-check --no-input --quiet install)
  retry "${pip[@]}" --require-hashes --only-binary :all: --requirement requirements.lock
  "${pip[@]}" --no-deps --no-index ./*.whl
  install -m 0644 SHA256SUMS "$home/installed"
  changed=yes
fi

sed -e "s|@BIN@|$home/venv/bin|" -e "s|@TOKEN_FILE@|$settings/$secret|" -e "s|@NAMES@|--auto-tls-san $address|" \
  "$service" | put "$units/$service"
systemctl daemon-reload
systemctl enable --quiet "$service"
if [[ $changed == yes ]]; then
  systemctl restart "$service"
else
  systemctl start "$service"
fi

# Ready is when the port answers, not when systemd has started a process.
for ((i = 0; i < 120; i++)); do
  if [[ -s $authority ]] && (: >"/dev/tcp/127.0.0.1/$control_port") 2>/dev/null; then
    say 'el nodo de salida responde.'
    "$home/venv/bin/python" -c '
import hashlib, ssl, sys
with open(sys.argv[1]) as file:
    print("sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest())
' "$authority" >&3
    exit 0
  fi
  sleep 0.5
done
say 'el nodo de salida no respondió en un minuto:'
journalctl --no-pager --lines 20 --unit "$service" || true
exit 1

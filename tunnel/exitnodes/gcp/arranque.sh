#!/bin/bash
# What Google's guest agent runs on the machine, as root, at every boot: install the exit node that its metadata
# holds, start it, publish the pin of its certificate authority. A second run changes nothing.
#
# The metadata server: https://cloud.google.com/compute/docs/metadata/querying-metadata
# Guest attributes: https://cloud.google.com/compute/docs/metadata/manage-guest-attributes
set -euo pipefail
umask 077

instance=http://metadata.google.internal/computeMetadata/v1/instance
folder=/run/tunelab-arranque
ask=(curl --silent --show-error --retry 8 --retry-connrefused --max-time 30 --header 'Metadata-Flavor: Google')
need=("${ask[@]}" --fail --fail-early)

publish() { "${need[@]}" --request PUT --data-raw "$2" "$instance/guest-attributes/tunelab/$1"; }
trap 'publish fallo "línea $LINENO del guion de arranque" || true' ERR

rm -rf "$folder"
mkdir "$folder"
"${need[@]}" "$instance/attributes/tunelab-paquete-"{1,2} | base64 --decode | tar --extract --xz --directory "$folder"
read -r secret _ <"$folder/settings"

# The token leaves the metadata as soon as the node is confirmed: later boots find it where it was installed.
status=$("${ask[@]}" --output "$folder/$secret" --write-out '%{http_code}' \
  "$instance/attributes/tunelab-secreto")
case $status in
  200) ;;
  404) rm "$folder/$secret" ;;
  *) echo "tunelab: el servidor de metadatos respondió $status" >&2 && false ;;
esac

address=$("${need[@]}" "$instance/network-interfaces/0/access-configs/0/external-ip")
pin=$(bash "$folder/install-exit-node.sh" "$folder" "$address")
publish pin "$pin"
echo "tunelab: listo; huella de la autoridad certificadora: $pin"

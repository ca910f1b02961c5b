#!/bin/bash
# Fetch the startup script from the metadata and run it, as Google's guest agent does.
set -euo pipefail

script=$(mktemp /run/guion.XXXXXX)
curl --silent --show-error --fail --header 'Metadata-Flavor: Google' --output "$script" \
  http://metadata.google.internal/computeMetadata/v1/instance/attributes/startup-script
chmod 0700 "$script"
"$script"

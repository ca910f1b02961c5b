#!/bin/sh
# The image's first process: `tunnel` with the words that it was given.
#
# Where the platform says on which port (Cloud Run's PORT), an exit node has that one for visitors and clients alike.
set -eu
if [ "${1-}" = server ] && [ -n "${PORT-}" ]; then
  shift
  set -- server --port "$PORT" --control-port "$PORT" "$@"
fi
exec tunnel "$@"

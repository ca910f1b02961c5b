#!/bin/bash
# Give this machine an SSH host key of its own making, in place of the one that came in its user data. Run as root.
#
#   rotate-host-key.sh make      print the public half of the new key, made now or at an earlier call
#   rotate-host-key.sh activate  use it from the next connection on, and it alone
#
# Two calls, so that whoever asked has kept the new key before the machine shows it: an interruption anywhere
# leaves a key that is known. Both may be repeated.
set -euo pipefail
umask 077

ssh_folder=/etc/ssh
next=$ssh_folder/tunelab_next_key
current=$ssh_folder/ssh_host_ed25519_key
mark=$ssh_folder/tunelab_own_key

case $1 in
  make)
    # Pending, or activated up to its last moment; long in use; or not made yet (ssh-keygen writes the public
    # half last).
    if [[ -s $next.pub ]] && { [[ -s $next ]] || cmp --silent "$next.pub" "$current.pub"; }; then
      cat "$next.pub"
    elif [[ -e $mark ]]; then
      cat "$current.pub"
    else
      rm -f "$next" "$next.pub"
      ssh-keygen -q -t ed25519 -N '' -C '' -f "$next" </dev/null
      cat "$next.pub"
    fi
    ;;
  activate)
    if [[ -s $next ]]; then
      install -m 0644 "$next.pub" "$current.pub"
      mv "$next" "$current"
    fi
    : >"$mark"
    rm -f "$next.pub"
    systemctl reload ssh.service
    ;;
  *)
    printf 'rotate-host-key.sh: make, activate\n' >&2
    exit 2
    ;;
esac

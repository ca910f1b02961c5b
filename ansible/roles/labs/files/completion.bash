# Completion for tunnel, gtd-app and lab. The words come from the program's own help, so they cannot grow old.
_tunelab() {
  local current=${COMP_WORDS[COMP_CWORD]} word
  local -a command=("${COMP_WORDS[0]}")
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && break
    command+=("$word")
  done
  local help
  help=$("${command[@]}" --help 2>/dev/null) || help=$("${COMP_WORDS[0]}" --help 2>/dev/null)
  local -a words
  if [[ $current == -* ]]; then
    mapfile -t words < <(grep -oE -- '--[a-z][a-z-]+' <<<"$help" | sort -u)
  else
    # argparse lists its verbs as {one,two,three}.
    mapfile -t words < <(grep -oE '\{[a-z][a-z,-]+\}' <<<"$help" | head -n 1 | tr -d '{}' | tr ',' '\n')
  fi
  mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$current")
}
complete -o default -F _tunelab tunnel gtd-app lab

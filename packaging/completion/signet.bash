# SPDX-License-Identifier: Apache-2.0
# Completion for signetd, signetctl and signet in bash: asks the program itself, so that what is offered is what this
# version knows.

# The commands of a program that begin with the given words: one word a line.
_signet_commands() { # PROGRAM [NOUN]
  case ${1##*/} in
  signetctl) # "  NOUN        VERB       meaning" in columns; some have no verb
    "$1" --help 2>/dev/null | LC_ALL=C awk -v noun="${2-}" '
      /^  [a-z]/ {
        first = substr($0, 3, 11); second = substr($0, 15, 10)
        gsub(/ +$/, "", first); gsub(/ +$/, "", second)
        if (noun == "") print first; else if (first == noun && second != "") print second
      }' | sort -u
    ;;
  signet) # "signet COMMAND ..." at the beginning of a line
    [ -n "${2-}" ] || "$1" --help 2>/dev/null | sed -n 's/^signet \([a-z][a-z-]*\) .*/\1/p' | sort -u
    ;;
  esac
}

# The lines of --help that tell of options.
_signet_options() { # PROGRAM [WORD...]
  "$@" --help 2>/dev/null | grep -E '^ +-'
}

_signet() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local words=() word line
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) break ;; esac
    [ -n "$(_signet_commands "$program" "${words[@]}" | grep -xF -- "$word")" ] || break
    words+=("$word")
  done
  if [ "${#words[@]}" -eq $((COMP_CWORD - 1)) ] && [[ $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_signet_commands "$program" "${words[@]}")" -- "$current")
    [ ${#COMPREPLY[@]} -eq 0 ] || return 0
  fi
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_signet_options "$program" "${words[@]}" |
      grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*' | tr -d ' ,' | sort -u)" -- "$current")
    return 0
  fi
  line=$(_signet_options "$program" "${words[@]}" | grep -E -- "(^|[ ,])$previous(=|,| )" | head -n 1)
  case $line in
  "" | *=FILE* | *=PATH* | *=DIR*) [ -z "${BASH_COMPLETION_VERSINFO-}" ] || compopt -o default ;;
  esac
}

complete -o default -F _signet signetd signetctl signet

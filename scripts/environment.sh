# shellcheck shell=bash
# Sourced by the other scripts: uses .venv, or else the current environment if it is sufficient.

die() { echo "error: $*" >&2; exit 1; }

# If --help is among the arguments, print the comment at the top of the script, and exit.
answer_help() {
  local word
  for word in "$@"; do
    if [[ $word == --help || $word == -h ]]; then
      awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
      exit
    fi
  done
}

use_environment() {
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  if [[ -x $root/.venv/bin/python ]]; then
    PATH=$root/.venv/bin:$PATH
  else
    python3 -c 'import attn_nmt, fairseq' 2>/dev/null ||
      die "fairseq and attn_nmt must be installed, but are not; run: bash $root/scripts/setup.sh"
  fi
  # GNU's OpenMP lets idle threads spin for long: on busy cores two threads then wait for each other
  # up to 30 times as long as they work, and on idle ones it gains nothing.
  [[ -n ${OMP_WAIT_POLICY:-} ]] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}
}

# shellcheck shell=bash
# Sourced by the other scripts: goes to .venv, or stays in an environment that has what is needed.

die() { echo "error: $*" >&2; exit 1; }

use_environment() {
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  if [[ -x $root/.venv/bin/python ]]; then
    PATH=$root/.venv/bin:$PATH
  else
    python3 -c 'import attn_nmt, fairseq' 2>/dev/null ||
      die "fairseq and attn_nmt must be installed, but are not; run: bash $root/scripts/setup.sh"
  fi
  # The scripts run from any folder; data_prep is not installed, only the package is.
  export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
}

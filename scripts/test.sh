#!/usr/bin/env bash
# Set up if needed, then run all checks of CI: format, lint, types, shell, tests.
#
#   bash scripts/test.sh [pytest arguments]
#
# All checks run even if one fails; the summary is printed last.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source scripts/environment.sh
bash scripts/setup.sh || exit 1
use_environment

summary=()
failed=0
check() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name: $*"
  if "$@"; then
    summary+=("passed  $name ($((SECONDS - start)) s)")
  else
    summary+=("FAILED  $name ($((SECONDS - start)) s)")
    failed=1
  fi
}

check format ruff format --check .
check lint ruff check .
check types mypy
check shell shellcheck -x -P SCRIPTDIR scripts/*.sh data_prep/*.sh .ci/run
# One process per core; more threads would only wait for each other.
export OMP_NUM_THREADS=1
check tests python3 -m pytest --numprocesses auto --dist loadfile "$@"

printf '\n'
printf '%s\n' "${summary[@]}"
exit "$failed"

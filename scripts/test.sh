#!/usr/bin/env bash
# Set up if needed, then run all checks of CI: format, lint, types, shell, tests.
#
#   bash scripts/test.sh [--core] [pytest arguments]
#
# --core runs nothing but the tests of terms, functional and modules, in about a minute. Otherwise all
# checks run even if one fails; the summary is printed last.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
answer_help "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
bash scripts/setup.sh || exit 1
use_environment
# One thread for each process; more would only wait for each other. One process more than cores: many
# tests wait, for files to reach the disk or for a process to end. A process that has finished takes
# over tests of another: files differ in length.
export OMP_NUM_THREADS=1
processes=$(($(python3 -c 'import os; print(len(os.sched_getaffinity(0)))') + 1))
pytest=(python3 -m pytest --numprocesses "$processes" --dist worksteal)

if [[ ${1:-} == --core ]]; then
  shift
  exec "${pytest[@]}" -m "core and not slow" tests/test_terms.py tests/functional tests/modules "$@"
fi

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
check tests "${pytest[@]}" "$@"

printf '\n'
printf '%s\n' "${summary[@]}"
exit "$failed"

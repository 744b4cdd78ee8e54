#!/usr/bin/env bash
# Set up .venv with PyTorch, fairseq and this package. Another run takes a second.
#
#   bash scripts/setup.sh
#
# PYTHON=...      the interpreter to use (python3)
# TORCH_SPEC=...  pip's arguments for PyTorch, such as "torch==2.12.0"; by default the PyTorch of
#                 that interpreter is used if it is 2.11 to 2.13, and one that fits the machine is
#                 installed otherwise
set -euo pipefail
if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
  exit
fi
[[ $# -eq 0 ]] || { echo "error: setup.sh must be called without arguments, but is given $1." >&2; exit 1; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly FAIRSEQ=fairseq-fixed==0.12.3.1
readonly TORCH_CPU=torch==2.13.0
readonly TORCH_CUDA='torch>=2.11,<2.14'
readonly TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
readonly EXTRAS=fairseq,data,study,dev

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || die "Python 3.11 or newer is needed, but $python is not on the PATH."
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "Python 3.11 or newer is needed, but $python is $version; set PYTHON to a newer one."

# The state of the set-up, so that a second run can tell that nothing has changed.
wanted=$({ cat setup.cfg scripts/setup.sh scripts/build_fairseq.py; pwd; echo "$version ${TORCH_SPEC:-}"; } | cksum)
stamp=.venv/.set-up
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
  say "nothing to do, .venv is up to date."
  exit 0
fi

has_fairseq() {
  [[ -x .venv/bin/python ]] && .venv/bin/python -c 'import importlib.metadata as m, sys
sys.exit("fairseq-fixed==" + m.version("fairseq-fixed") != sys.argv[1])' "$FAIRSEQ" 2>/dev/null
}

# Whether PyTorch has a supported version; any other stays, and ours is installed into .venv.
has_torch() {
  "$1" -c 'import importlib.metadata as m, sys
sys.exit(not (2, 11) <= tuple(int(n) for n in m.version("torch").split(".")[:2]) < (2, 14))' 2>/dev/null
}

fail() {
  die "$1 failed: $(grep -E '^ *(ERROR|error)|error:' "$2" | tail -n 1 | cut -c1-300) The whole log is in $2."
}

# Run pip with its output in a log; report a failure in one sentence.
install() {
  local what=$1 how_long=$2 start=$SECONDS
  shift 2
  say "installing $what ($how_long)"
  .venv/bin/python -m pip install --disable-pip-version-check "$@" >>"$log" 2>&1 ||
    fail "installing $what" "$log"
  say "installed $what in $((SECONDS - start)) s"
}

install_torch() {
  if [[ -n ${TORCH_SPEC:-} ]]; then
    # Unquoted, since it may hold several arguments.
    # shellcheck disable=SC2086
    install "PyTorch as TORCH_SPEC says" "minutes" $TORCH_SPEC
  elif has_torch .venv/bin/python; then
    say "using the installed PyTorch"
  elif command -v nvidia-smi >/dev/null; then
    install "PyTorch for CUDA" "several GB, minutes" "$TORCH_CUDA"
  elif "$python" -c "import urllib.request as u; u.urlopen('$TORCH_CPU_INDEX/torch/', timeout=5)" 2>/dev/null; then
    install "PyTorch for CPUs" "about 200 MB" "$TORCH_CPU" --index-url "$TORCH_CPU_INDEX"
  else
    install "PyTorch" "about 200 MB, or several GB where only the CUDA build is available" "$TORCH_CPU"
  fi
}

check_compiler() {
  command -v c++ >/dev/null || command -v g++ >/dev/null ||
    die "a C++ compiler is needed to build fairseq, but neither c++ nor g++ is on the PATH."
  local headers
  headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [[ -f $headers/Python.h ]] ||
    die "Python's headers are needed to build fairseq, but $headers/Python.h is missing; install python3-dev."
}

# Leave a wheel in .venv/fairseq. pip itself would compile more, and in build isolation download a
# CUDA PyTorch.
build_fairseq() {
  rm -rf .venv/fairseq
  .venv/bin/python -m pip download --disable-pip-version-check --no-build-isolation --no-deps --no-binary :all: \
    --dest .venv/fairseq "$FAIRSEQ" &&
    .venv/bin/python scripts/build_fairseq.py .venv/fairseq/*.tar.gz .venv/fairseq
}

main() {
  has_fairseq || check_compiler
  local shared=()
  if [[ -z ${TORCH_SPEC:-} ]] && has_torch "$python"; then
    shared=(--system-site-packages)
  fi
  "$python" -m venv ${shared[@]+"${shared[@]}"} .venv || die "making .venv failed; on Debian, install python3-venv."
  log=.venv/set-up.log
  : >"$log"
  install_torch
  install "build tools" "seconds" numpy cython setuptools wheel
  local build=
  if ! has_fairseq; then
    say "compiling fairseq (a minute), beside what follows"
    set -m  # a process group of its own, so that an interruption ends all of it
    build_fairseq >"$log.fairseq" 2>&1 &
    build=$!
    set +m
    trap 'kill -- -$build 2>/dev/null || true' EXIT
  fi
  install "attn_nmt and its tools" "a minute" --no-build-isolation --editable ".[$EXTRAS]"
  if [[ -n $build ]]; then
    wait "$build" || fail "compiling fairseq" "$log.fairseq"
    trap - EXIT
    # Its dependencies include torchaudio; those that it really needs are in the extra "fairseq" of
    # setup.cfg.
    install "fairseq" "seconds" --no-deps .venv/fairseq/*.whl
  fi
  .venv/bin/python -m attn_nmt doctor >&2 || die "the installed packages do not fit together; see above."
  echo "$wanted" >"$stamp"
  say "done in $SECONDS s; \"source .venv/bin/activate\" puts the fairseq commands on the PATH."
}

main

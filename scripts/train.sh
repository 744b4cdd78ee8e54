#!/usr/bin/env bash
# Train with the paper's recipe on the available GPUs, or on CPUs; run again, it resumes.
#
#   bash scripts/train.sh ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]
#
# Flags of fairseq-train override the recipe. --help lists the options; the main ones are the size
# of an update (--tokens-per-update) and the machines (--processes, --nodes).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
use_environment
exec python3 -m attn_nmt train "$@"

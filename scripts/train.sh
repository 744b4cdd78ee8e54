#!/usr/bin/env bash
# Train with the paper's recipe on the GPUs there are, or on CPUs; started again, it goes on.
#
#   bash scripts/train.sh ARCH DATA_BIN SAVE_DIR [options] [fairseq-train flags]
#
# Flags of fairseq-train override the recipe. --help tells the options, of which the size of an
# update (--tokens-per-update) and the machines (--processes, --nodes) are the main ones.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
use_environment
exec python3 -m attn_nmt.training "$@"

#!/usr/bin/env bash
# Translate with a checkpoint and print labelled scores; the last line is a JSON object.
#
#   bash scripts/evaluate.sh CHECKPOINT_OR_DIR DATA_BIN [fairseq-generate flags]
#
# --gen-subset valid scores the validation set; --help lists the options.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
use_environment
exec python3 -m attn_nmt evaluate "$@"

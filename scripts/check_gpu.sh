#!/usr/bin/env bash
# On a machine with a GPU: every mechanism against the CPU, and time and memory against stock fairseq.
#
#   bash scripts/check_gpu.sh [--rounds N] [--json FILE]
#
# Prints Markdown tables and takes some minutes; ends with 1 if a result is wrong.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
answer_help "$@"
use_environment
exec python3 -m attn_nmt benchmark gpu "$@"

#!/usr/bin/env bash
# Translate plain text from standard input to standard output, one sentence per line.
#
#   bash scripts/translate.sh MODEL [--data-bin DIR] [options] < in.en > out.de
#
# MODEL is a checkpoint, a directory with one, or an ensemble a.pt:b.pt. --help lists the options.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
use_environment
exec python3 -m attn_nmt translate "$@"

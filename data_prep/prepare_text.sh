#!/usr/bin/env bash
# Prepare your own parallel text, in any two languages.
#
#   bash data_prep/prepare_text.sh OUT_DIR --source-lang S --target-lang T \
#     --train PREFIX... --valid PREFIX --test PREFIX [options]
#
# PREFIX stands for PREFIX.S and PREFIX.T, or for PREFIX.tsv of two columns, each also with .gz;
# --valid and --test also take "held-out N". --help lists the options; docs/data.md describes the files
# in OUT_DIR.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"
use_environment
exec python3 -m attn_nmt prepare text "$@"

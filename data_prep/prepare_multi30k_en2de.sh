#!/usr/bin/env bash
# Prepare Multi30k English-German, from the network or from --mirror.
#
#   bash data_prep/prepare_multi30k_en2de.sh OUT_DIR [options]
#
# --help lists the options; docs/data.md describes the files in OUT_DIR.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"
use_environment
exec python3 -m attn_nmt prepare multi30k "$@"

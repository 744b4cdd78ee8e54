#!/usr/bin/env bash
# Generate the embedded English-German corpus; nothing is downloaded.
#
#   bash data_prep/prepare_cldr_en2de.sh OUT_DIR [options]
#
# --help lists the options; docs/data.md describes the files in OUT_DIR.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"
use_environment
exec python3 -m attn_nmt prepare cldr "$@"

#!/usr/bin/env bash
# Make the embedded English-German corpus; nothing is downloaded.
#
#   bash data_prep/prepare_cldr_en2de.sh OUT_DIR [options]
#
# --help lists the options; README.md says what stands in OUT_DIR afterwards.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"
use_environment
exec python3 -m data_prep.cldr_en2de "$@"

#!/usr/bin/env bash
# Prepare WMT14 English-German, from the network or from --mirror; stopped and run again, it goes on.
#
#   bash data_prep/prepare_wmt14_en2de.sh OUT_DIR [options]
#
# --help lists the options; README.md says what stands in OUT_DIR afterwards.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"
use_environment
exec python3 -m data_prep.wmt14_en2de "$@"

"""Time and memory compared with stock fairseq, and over the length of a sentence.

python scripts/benchmark.py goals
python scripts/benchmark.py training attn1111_wmt_en_de --encoder-layers 3
python scripts/benchmark.py decoding attn0010_wmt_en_de attn_transformer_dynamic_wmt_en_de
python scripts/benchmark.py lengths
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attn_nmt.command_line import run


def main() -> None:
    """Run the command."""
    from attn_nmt.benchmarking.__main__ import main  # here, so that run reports a missing package

    main()


if __name__ == "__main__":
    run(main)

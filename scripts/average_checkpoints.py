"""Average the parameters of checkpoints of one model into a new checkpoint.

    python scripts/average_checkpoints.py --output FILE --last-updates 5 SAVE_DIR
    python scripts/average_checkpoints.py --output FILE CHECKPOINT CHECKPOINT ...

``--last-epochs N`` selects by epoch and ``--best N`` by score.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attn_nmt.command_line import run


def main() -> None:
    """Run the command."""
    from attn_nmt.checkpoints.averaging import main  # here, so that run reports a missing package

    main()


if __name__ == "__main__":
    run(main)

"""``python -m attn_nmt.training.fairseq_train DATA_BIN [flags]``: fairseq-train, without a recipe.

What differs is its output, which goes to ``train.log`` in its ``--save-dir``: shown is what a
person needs. ``scripts/quickstart.sh`` trains with it.
"""

from __future__ import annotations

import sys

from attn_nmt.command_line import run


def main() -> None:
    """Train."""
    from attn_nmt.training.__main__ import train_without_recipe  # run reports a missing package

    train_without_recipe(sys.argv[1:])


if __name__ == "__main__":
    run(main)

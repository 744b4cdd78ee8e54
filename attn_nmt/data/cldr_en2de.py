"""``prepare_cldr_en2de.sh``: the embedded corpus, which needs no download."""

from __future__ import annotations

import re
from argparse import Namespace

from attn_nmt.command_line import UsageError, positive
from attn_nmt.data import options
from attn_nmt.data.cldr import generate
from attn_nmt.data.lines import Corpus
from attn_nmt.data.pipeline import prepare


def load(args: Namespace) -> Corpus:
    """Generate the three splits.

    Raises:
        UsageError: if more sentences are requested than there are.
    """
    try:
        return generate(
            seed=args.seed,
            train=args.train_pairs,
            valid=args.valid_pairs,
            test=args.test_pairs,
        )
    except ValueError as error:
        raise UsageError(re.sub(r"`(\w+)`", r"--\1-pairs", str(error))) from error


def main() -> None:
    """Read the command line and prepare the corpus."""
    parser = options.build_parser(
        "cldr",
        "Generate an English-German corpus from the Unicode CLDR and numbers in words.",
        bpe_merges=1500,
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (%(default)s)")
    for split, pairs in (("train", 24000), ("valid", 1000), ("test", 1000)):
        parser.add_argument(
            f"--{split}-pairs",
            type=positive(f"--{split}-pairs"),
            default=pairs,
            metavar="N",
            help=f"sentence pairs for {split} (%(default)s)",
        )
    args = parser.parse_args()
    prepare("cldr", lambda scratch: load(args), args, langs=("en", "de"))

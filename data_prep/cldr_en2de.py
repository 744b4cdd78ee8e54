"""``prepare_cldr_en2de.sh``: the embedded corpus, which needs no download at all."""

from __future__ import annotations

from argparse import Namespace

from attn_nmt.command_line import UsageError, run
from data_prep import options
from data_prep.cldr import generate
from data_prep.pipeline import Corpus, prepare


def load(chosen: Namespace) -> Corpus:
    """Make the three splits.

    Raises:
        UsageError: if more sentences are asked for than there are.
    """
    try:
        return generate(
            seed=chosen.seed,
            train=chosen.train_pairs,
            valid=chosen.valid_pairs,
            test=chosen.test_pairs,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def main() -> None:
    """Read the command line and prepare the corpus."""
    flags = options.parser(
        "prepare_cldr_en2de.sh",
        "Make an English-German corpus from the Unicode CLDR and numbers in words.",
        bpe_merges=1500,
    )
    flags.add_argument("--seed", type=int, default=1, help="of the random choices (%(default)s)")
    for split, pairs in (("train", 24000), ("valid", 1000), ("test", 1000)):
        flags.add_argument(
            f"--{split}-pairs",
            type=options.positive,
            default=pairs,
            metavar="N",
            help=f"sentence pairs for {split} (%(default)s)",
        )
    chosen = flags.parse_args()
    prepare("cldr", lambda scratch: load(chosen), chosen)


if __name__ == "__main__":
    run(main)

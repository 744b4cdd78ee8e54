"""``prepare_multi30k_en2de.sh``: image captions (Elliott et al. 2016), 29,000 training pairs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attn_nmt.command_line import run
from data_prep import options
from data_prep.download import fetch
from data_prep.pipeline import prepare
from data_prep.text import Corpus, Languages, read_pairs

_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_FILES = {"train": ("train", 29000), "valid": ("val", 1014), "test": ("test_2016_flickr", 1000)}


def load(scratch: Path, *, mirror: str | None, langs: Languages) -> Corpus:
    """Fetch and read the three splits.

    Raises:
        UsageError: if a file is missing or damaged, or has another number of lines than published.
    """
    scratch.mkdir()
    corpus: Corpus = {}
    for split, (stem, lines) in _FILES.items():
        source, target = (
            fetch(f"{stem}.{lang}.gz", _URL, scratch, mirror=mirror) for lang in langs
        )
        corpus[split] = read_pairs(source, target, expected=lines)
    return corpus


def main() -> None:
    """Read the command line and prepare the corpus."""
    parser = options.build_parser(
        "prepare_multi30k_en2de.sh", "Prepare Multi30k English-German.", bpe_merges=8000
    )
    parser.add_argument("--mirror", metavar="DIR_OR_URL", help="where to get the six .gz files")
    args = parser.parse_args()
    options.check_mirror(args)
    langs = ("en", "de")
    prepare("multi30k", partial(load, mirror=args.mirror, langs=langs), args, langs=langs)


if __name__ == "__main__":
    run(main)

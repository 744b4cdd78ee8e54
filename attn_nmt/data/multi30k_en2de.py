"""``prepare_multi30k_en2de.sh``: image captions (Elliott et al. 2016), 29,000 training pairs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attn_nmt.data import options
from attn_nmt.data.download import fetch
from attn_nmt.data.lines import Corpus, Languages, read_pairs
from attn_nmt.data.pipeline import prepare

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
    parser = options.build_parser("multi30k", "Prepare Multi30k English-German.", bpe_merges=8000)
    parser.add_argument("--mirror", metavar="DIR_OR_URL", help="where to get the six .gz files")
    args = parser.parse_args()
    options.check_mirror(args)
    langs = ("en", "de")
    prepare("multi30k", partial(load, mirror=args.mirror, langs=langs), args, langs=langs)

"""``prepare_multi30k_en2de.sh``: image captions (Elliott et al. 2016), 29,000 training pairs."""

from __future__ import annotations

import gzip
import hashlib
from functools import partial
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data import options
from attn_nmt.data.download import fetch
from attn_nmt.data.lines import Corpus, Languages, read_pairs
from attn_nmt.data.pipeline import prepare

_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_FILES = {"train": ("train", 29000), "valid": ("val", 1014), "test": ("test_2016_flickr", 1000)}
_SHA256 = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
}
"""Of the text; another program may have compressed the same text into another file."""


def load(scratch: Path, *, mirror: str | None, langs: Languages) -> Corpus:
    """Fetch and read the three splits.

    Raises:
        UsageError: if a file is missing or damaged, or is not the published one.
    """
    scratch.mkdir()
    corpus: Corpus = {}
    for split, (stem, lines) in _FILES.items():
        source, target = (
            fetch(f"{stem}.{lang}.gz", _URL, scratch, mirror=mirror) for lang in langs
        )
        corpus[split] = read_pairs(source, target, expected=lines)
        for file in (source, target):
            _require_published(file)
    return corpus


def _require_published(file: Path) -> None:
    with gzip.open(file) as text:
        found = hashlib.file_digest(text, "sha256").hexdigest()
    if found != _SHA256[file.stem]:
        raise UsageError(
            f"{file.name} must hold the published text, with the SHA-256 {_SHA256[file.stem]}, but "
            f"has {found}; attn-nmt prepare text takes other text."
        )


def main() -> None:
    """Read the command line and prepare the corpus."""
    parser = options.build_parser("multi30k", "Prepare Multi30k English-German.", bpe_merges=8000)
    parser.add_argument("--mirror", metavar="DIR_OR_URL", help="where to get the six .gz files")
    args = parser.parse_args()
    options.check_mirror(args)
    langs = ("en", "de")
    prepare("multi30k", partial(load, mirror=args.mirror, langs=langs), args, langs=langs)

"""``prepare_wmt14_en2de.sh``: about 4.5 million training pairs, newstest2013, newstest2014."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

from attn_nmt.data import options
from attn_nmt.data.lines import SPLITS, write_raw
from attn_nmt.data.pipeline import (
    CorpusSummary,
    create_output,
    remove_all_but,
    run_subword_steps,
    text_directory,
)
from attn_nmt.data.steps import Steps
from attn_nmt.data.wmt14 import clean, read
from attn_nmt.data.wmt14.archives import Archive, extract, get_archive, select_archives
from attn_nmt.text.subwords import build_subwords

COUNTS, SUBSET = "counts.json", "subset.json"
_LANGS = ("en", "de")


def build(stage: Path, args: Namespace) -> CorpusSummary:
    """Run all steps in ``stage``, where an interrupted run may have finished some.

    Raises:
        UsageError: if an archive, a count or the text breaks a rule.
    """
    archives = select_archives(news_commentary=args.news_commentary, valid=args.valid)
    subwords = build_subwords(args.subword, vars(args))
    form = text_directory(subwords, normalize_punctuation=True)
    steps, text = Steps(stage, total=5), stage / "text"
    (stage / "archives").mkdir(exist_ok=True)
    if args.mirror is None:
        size = sum(archive.megabytes for archive in archives)
        print(f"The archives have about {size} MB together.", file=sys.stderr)
    paths = [get_archive(archive, stage / "archives", args) for archive in archives]
    files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    steps.run(
        "extract and count",
        partial(_extract, archives, paths, stage, args),
        outputs=["text", "raw", SUBSET],
        settings=[files, args.allow_subset],
    )
    steps.run(
        f"normalise punctuation, tokenise, clean ({form})",
        partial(_clean, archives, text, stage, form, args),
        outputs=[form, COUNTS],
        settings=[args.aggressive_hyphens, args.valid],
    )
    run_subword_steps(steps, subwords, form, args, _LANGS)
    summary = CorpusSummary(
        lines={split: _count_lines(stage / "subwords" / f"{split}.en") for split in SPLITS},
        dropped=json.loads((stage / COUNTS).read_text(encoding="utf-8")),
        normalized_punctuation=True,
        subset=json.loads((stage / SUBSET).read_text(encoding="utf-8")),
    )
    kept = {"raw", form, *subwords.files, "subwords", "data-bin"}
    if any((stage / "archives").iterdir()):
        kept.add("archives")  # for other options
    remove_all_but(stage, kept)
    return summary


def _extract(archives: list[Archive], paths: list[Path], stage: Path, args: Namespace) -> None:
    text = stage / "text"
    for archive, path in zip(archives, paths, strict=True):
        extract(path, [archive.source.path, archive.target.path], text)
    subset = read.check_counts(archives, text, allow_subset=args.allow_subset)
    for archive in archives:
        if archive.split != "train":
            pairs = read.evaluation_pairs(archive, text, allow_subset=args.allow_subset)
            write_raw(stage, archive.split, pairs, _LANGS)
    (stage / SUBSET).write_text(json.dumps(subset), encoding="utf-8")


def _clean(archives: list[Archive], text: Path, stage: Path, form: str, args: Namespace) -> None:
    hyphens = args.aggressive_hyphens
    for archive in archives:
        if archive.split != "train":
            pairs = read.evaluation_pairs(archive, text, allow_subset=args.allow_subset)
            clean.write_evaluation_text(
                pairs, stage, form, archive.split, _LANGS, aggressive_hyphens=hyphens
            )
    dropped = clean.write_training_text(
        read.training_pairs(archives, text),
        stage,
        form,
        _LANGS,
        aggressive_hyphens=hyphens,
        held_out=args.valid == "held-out",
        workers=args.workers,
    )
    (stage / COUNTS).write_text(json.dumps(dropped), encoding="utf-8")


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def main() -> None:
    """Read the command line and prepare the corpus."""
    parser = options.build_parser("wmt14", "Prepare WMT14 English-German.", bpe_merges=37000)
    parser.add_argument("--mirror", metavar="DIR_OR_URL", help="where to get the five archives")
    parser.add_argument(
        "--news-commentary", choices=("9", "12"), default="9", help="version (%(default)s)"
    )
    parser.add_argument(
        "--valid",
        choices=("newstest2013", "held-out"),
        default="newstest2013",
        help="validation set; held-out takes every hundredth training pair (%(default)s)",
    )
    options.add_aggressive_hyphens(parser)
    parser.add_argument(
        "--allow-subset",
        action="store_true",
        help="accept archives that differ from the published ones; every score will say so",
    )
    args = parser.parse_args()
    options.check_mirror(args)
    create_output("wmt14", partial(build, args=args), args, langs=_LANGS, resumable=True)

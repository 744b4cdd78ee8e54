"""``prepare_wmt14_en2de.sh``: about 4.5 million training pairs, newstest2013, newstest2014."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

from attn_nmt.command_line import run
from attn_nmt.segmenter import CODES, MODEL
from data_prep import options, segment
from data_prep.options import SUBWORD_TOOLS
from data_prep.pipeline import Made, binarise, count_lines, produce
from data_prep.segment import SPLITS
from data_prep.steps import FILE_NAME, Steps
from data_prep.wmt14 import clean, read
from data_prep.wmt14.archives import Archive, chosen

COUNTS = "counts.json"
_MADE_WITH = {
    "subword-nmt": ("tokens", CODES),
    "sentencepiece": ("normalized", MODEL, "sentencepiece.vocab"),
}


def build(stage: Path, flags: Namespace) -> Made:
    """Go through all steps below ``stage``, where an earlier run may have been through some.

    Raises:
        UsageError: if an archive, a count or the text breaks a rule.
    """
    archives = chosen(news_commentary=flags.news_commentary, valid=flags.valid)
    form = _MADE_WITH[flags.subword][0]
    steps, text = Steps(stage, total=5), stage / "text"
    (stage / "archives").mkdir(exist_ok=True)
    if flags.mirror is None:
        size = sum(archive.megabytes for archive in archives)
        print(f"The archives have about {size} MB together.", file=sys.stderr)
    paths = [read.get_archive(archive, stage / "archives", flags) for archive in archives]
    known = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    steps.run(
        "extract and count",
        partial(_extract, archives, paths, stage, flags),
        makes=["text", "raw", "subset.json"],
        settings=[known, flags.allow_subset],
    )
    steps.run(
        f"normalise punctuation, tokenise, clean ({form})",
        partial(_clean, archives, text, stage, form, flags),
        makes=[form, COUNTS],
        settings=[flags.aggressive_hyphens, flags.valid],
    )
    segment_in_steps(steps, stage, form, flags)
    steps.run(
        "binarise with fairseq-preprocess",
        partial(binarise, stage, flags.workers),
        makes=["data-bin"],
        settings=None,
    )
    made = Made(
        lines={split: count_lines(stage / "subwords" / f"{split}.en") for split in SPLITS},
        dropped=json.loads((stage / COUNTS).read_text(encoding="utf-8")),
        normalized_punctuation=True,
        subset=json.loads((stage / "subset.json").read_text(encoding="utf-8")),
    )
    _tidy(stage, flags.subword)
    return made


def segment_in_steps(steps: Steps, stage: Path, form: str, flags: Namespace) -> None:
    """Learn the subwords on training text, and apply them."""
    size, settings = flags.bpe_merges, [flags.subword, flags.bpe_merges, flags.sentencepiece_type]
    if flags.subword == "subword-nmt":
        learn = partial(segment.learn_bpe_codes, stage, merges=size)
        apply, model = segment.apply_bpe, CODES
    else:
        learn = partial(
            segment.learn_sentencepiece,
            stage,
            form,
            vocabulary=size,
            model_type=flags.sentencepiece_type,
        )
        apply, model = partial(segment.apply_sentencepiece, form=form), MODEL
    steps.run(f"learn subwords with {flags.subword}", learn, makes=[model], settings=settings)
    steps.run(
        "apply subwords",
        partial(apply, stage, workers=flags.workers),
        makes=["subwords"],
        settings=None,
    )


def _extract(archives: list[Archive], paths: list[Path], stage: Path, flags: Namespace) -> None:
    text = stage / "text"
    read.extract_all(archives, paths, text)
    subset = read.check_counts(archives, text, allow_subset=flags.allow_subset)
    for archive in archives:
        if archive.split != "train":
            pairs = read.evaluation_pairs(archive, text, allow_subset=flags.allow_subset)
            read.write_raw(stage, archive.split, pairs)
    (stage / "subset.json").write_text(json.dumps(subset), encoding="utf-8")


def _clean(archives: list[Archive], text: Path, stage: Path, form: str, flags: Namespace) -> None:
    hyphens = flags.aggressive_hyphens
    for archive in archives:
        if archive.split != "train":
            pairs = read.evaluation_pairs(archive, text, allow_subset=flags.allow_subset)
            clean.write_evaluation_text(
                pairs, stage, form, archive.split, aggressive_hyphens=hyphens
            )
    dropped = clean.write_training_text(
        read.training_pairs(archives, text),
        stage,
        form,
        aggressive_hyphens=hyphens,
        held_out=flags.valid == "held-out",
        workers=flags.workers,
    )
    (stage / COUNTS).write_text(json.dumps(dropped), encoding="utf-8")


def _tidy(stage: Path, subword: str) -> None:
    """Leave what a user reads; archives that were downloaded stay, for other options."""
    # An interrupted run may have been on its way with the other tool.
    others = set(SUBWORD_TOOLS) - {subword}
    for name in ("text", *(name for other in others for name in _MADE_WITH[other])):
        path = stage / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in (FILE_NAME, COUNTS, "subset.json"):
        (stage / name).unlink()
    if not any((stage / "archives").iterdir()):
        (stage / "archives").rmdir()


def main() -> None:
    """Read the command line and prepare the corpus."""
    flags = options.parser("prepare_wmt14_en2de.sh", "Prepare WMT14.", bpe_merges=37000)
    flags.add_argument(
        "--mirror", metavar="DIR_OR_URL", help="where to take the five archives from"
    )
    flags.add_argument(
        "--news-commentary", choices=("9", "12"), default="9", help="version (%(default)s)"
    )
    flags.add_argument(
        "--valid",
        choices=("newstest2013", "held-out"),
        default="newstest2013",
        help="validation set; held-out takes every hundredth training pair (%(default)s)",
    )
    flags.add_argument(
        "--aggressive-hyphens",
        action="store_true",
        help="split a-b into a @-@ b, as fairseq's script does",
    )
    flags.add_argument(
        "--allow-subset",
        action="store_true",
        help="accept archives with other contents than the known ones; every score will say so",
    )
    given = flags.parse_args()
    options.check_mirror(given)
    produce("wmt14", partial(build, flags=given), given, resumable=True)


if __name__ == "__main__":
    run(main)

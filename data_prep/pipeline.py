"""The steps from a corpus to ``data-bin``; the output folder appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard, sha256
from data_prep import segment
from data_prep.segment import LANGUAGES, SPLITS
from data_prep.text import Pairs, without_blank

Corpus = dict[str, Pairs]
_TOOLS = ("fairseq-fixed", "sacremoses", "subword-nmt", "sentencepiece", "babel", "num2words")


@dataclass(frozen=True)
class Made:
    """What a corpus turned out to be."""

    lines: dict[str, int]
    """Sentence pairs of each split."""
    dropped: dict[str, int]
    """Training pairs left out, by reason."""
    normalized_punctuation: bool = False
    """Whether Moses's rules made the punctuation plain."""
    subset: dict[str, list[int]] = field(default_factory=dict)
    """Of each file that is not the known one, its lines and those of the known one."""


def prepare(name: str, load: Callable[[Path], Corpus], options: Namespace) -> None:
    """Prepare the small corpus that ``load`` brings (into a scratch folder, if it needs one).

    Raises:
        UsageError: as :func:`produce`, or if the corpus breaks a rule.
    """
    produce(name, lambda stage: _make(load, stage, options), options)


def produce(
    name: str, build: Callable[[Path], Made], options: Namespace, *, resumable: bool = False
) -> None:
    """Let ``build`` fill the output folder, and put the data card into it.

    Does nothing where the same options have been through already.

    Raises:
        UsageError: if the output folder holds anything else.
    """
    out_dir: Path = options.out_dir
    recorded = _recorded(options)
    if _is_prepared(out_dir, name, recorded):
        print(f"{out_dir} is prepared already, with the same options.", file=sys.stderr)
        return
    with staged(out_dir, resumable=resumable) as stage:
        made = build(stage)
        card = DataCard(
            corpus=name,
            source_lang=LANGUAGES[0],
            target_lang=LANGUAGES[1],
            subword=options.subword,
            options=recorded,
            lines=made.lines,
            dropped=made.dropped,
            normalized_punctuation=made.normalized_punctuation,
            subset=made.subset,
            vocabulary_size=_vocabulary_size(stage),
            tools={tool: version(tool) for tool in _TOOLS},
            files=_checksums(stage),
        )
        card.write(stage)
    print(f"{out_dir} is prepared: {card.lines}, {card.vocabulary_size} symbols.", file=sys.stderr)


def _recorded(options: Namespace) -> dict[str, object]:
    """Return the options on which the result depends."""
    left_out = {"out_dir", "mirror", "workers"}
    if options.subword != "sentencepiece":
        left_out.add("sentencepiece_type")
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(options).items()
        if key not in left_out
    }


def _make(load: Callable[[Path], Corpus], stage: Path, options: Namespace) -> Made:
    _report(1, "read the corpus")
    corpus = load(stage / "scratch")
    shutil.rmtree(stage / "scratch", ignore_errors=True)
    kept = {**corpus, "train": without_blank(corpus["train"])}
    _write_raw(kept, stage)
    _segment(stage, options)
    _report(3, "binarise with fairseq-preprocess")
    binarise(stage, options.workers)
    _report(4, "write the data card")
    return Made(
        lines={split: len(kept[split]) for split in SPLITS},
        dropped={"blank": len(corpus["train"]) - len(kept["train"])},
    )


@contextmanager
def staged(out_dir: Path, *, resumable: bool = False) -> Iterator[Path]:
    """Give a folder beside ``out_dir`` to work in; it takes that name when all went well.

    Otherwise it is removed, or, if ``resumable``, left to the next run. What a killed run left
    behind is cleared by the next one, unless it can go on from there.

    Raises:
        UsageError: if another process is at work on the same folder.
    """
    stage = out_dir.parent / f".{out_dir.name}.partial"
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    stage.mkdir(exist_ok=True)
    lock = os.open(stage, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UsageError(
            f"{out_dir} must be prepared by one process at a time, but another is at it."
        ) from None
    try:
        for leftover in () if resumable else stage.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield stage
        stage.replace(out_dir)
    finally:
        if not resumable:
            shutil.rmtree(stage, ignore_errors=True)
        os.close(lock)


def _is_prepared(out_dir: Path, name: str, options: dict[str, object]) -> bool:
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    if not (out_dir / FILE_NAME).is_file():
        raise UsageError(f"OUT_DIR must be new or empty, but {out_dir} holds other files.")
    card = DataCard.read(out_dir)
    if card.corpus != name or card.options != options:
        raise UsageError(
            f"OUT_DIR must be new for other options, but {out_dir} holds {card.corpus} "
            f"prepared with {card.options}."
        )
    return True


def _report(step: int, what: str) -> None:
    print(f"[{step}/4] {what}", file=sys.stderr, flush=True)


def _write_raw(corpus: Corpus, stage: Path) -> None:
    (stage / "raw").mkdir()
    for split in SPLITS:
        pairs = corpus[split]
        if not pairs:
            raise UsageError(f"The {split} split must hold sentences, but is empty.")
        for side, lang in enumerate(LANGUAGES):
            text = "".join(pair[side] + "\n" for pair in pairs)
            DataCard.raw_file(stage, split, lang).write_text(text, encoding="utf-8", newline="\n")


def _segment(stage: Path, options: Namespace) -> None:
    _report(2, f"segment with {options.subword}")
    size, workers = options.bpe_merges, options.workers
    if options.subword == "subword-nmt":
        segment.tokenize(stage, workers=workers)
        segment.learn_bpe_codes(stage, merges=size)
        segment.apply_bpe(stage, workers=workers)
    else:
        kind = options.sentencepiece_type
        segment.learn_sentencepiece(stage, "raw", vocabulary=size, model_type=kind)
        segment.apply_sentencepiece(stage, workers=workers)


def binarise(stage: Path, workers: int) -> None:
    """subwords/ -> data-bin/, with one dictionary for both languages.

    Raises:
        UsageError: if fairseq-preprocess fails.
    """
    source, target = LANGUAGES
    command = [sys.executable, "-m", "fairseq_cli.preprocess", "--joined-dictionary"]
    command += ["--source-lang", source, "--target-lang", target, "--workers", str(workers)]
    command += ["--destdir", str(stage / "data-bin")]
    for split in SPLITS:
        command += [f"--{split}pref", str(stage / "subwords" / split)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"fairseq-preprocess must succeed, but left with: {last}")
    # Its log names the stage's folder, which is about to be renamed.
    (stage / "data-bin" / "preprocess.log").unlink(missing_ok=True)


def count_lines(path: Path) -> int:
    """Return the number of lines of a text file."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _vocabulary_size(stage: Path) -> int:
    from fairseq.data import Dictionary

    return len(Dictionary.load(str(stage / "data-bin" / f"dict.{LANGUAGES[0]}.txt")))


def _checksums(stage: Path) -> dict[str, str]:
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    return {path.relative_to(stage).as_posix(): sha256(path) for path in files}

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
from importlib.metadata import version
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard, sha256
from data_prep.segment import LANGUAGES, SPLITS, segment_with_bpe, segment_with_sentencepiece
from data_prep.text import Pairs, without_blank

Corpus = dict[str, Pairs]
_TOOLS = ("fairseq-fixed", "sacremoses", "subword-nmt", "sentencepiece", "babel", "num2words")


def prepare(name: str, load: Callable[[Path], Corpus], options: Namespace) -> None:
    """Prepare the corpus that ``load`` brings (into a scratch folder, if it needs one).

    Does nothing where the same options have been through already.

    Raises:
        UsageError: if the output folder holds anything else, or the corpus breaks a rule.
    """
    out_dir: Path = options.out_dir
    recorded = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(options).items()
        if key not in ("out_dir", "mirror", "workers")
    }
    if _is_prepared(out_dir, name, recorded):
        print(f"{out_dir} is prepared already, with the same options.", file=sys.stderr)
        return
    with staged(out_dir) as stage:
        _report(1, "read the corpus")
        corpus = load(stage / "scratch")
        shutil.rmtree(stage / "scratch", ignore_errors=True)
        kept = {**corpus, "train": without_blank(corpus["train"])}
        _write_raw(kept, stage)
        _segment(stage, options)
        _binarise(stage, options.workers)
        card = DataCard(
            corpus=name,
            source_lang=LANGUAGES[0],
            target_lang=LANGUAGES[1],
            subword=options.subword,
            options=recorded,
            lines={split: len(kept[split]) for split in SPLITS},
            dropped={"blank": len(corpus["train"]) - len(kept["train"])},
            vocabulary_size=_vocabulary_size(stage),
            tools={tool: version(tool) for tool in _TOOLS},
            files=_checksums(stage),
        )
        card.write(stage)
    print(f"{out_dir} is prepared: {card.lines}, {card.vocabulary_size} symbols.", file=sys.stderr)


@contextmanager
def staged(out_dir: Path) -> Iterator[Path]:
    """Give a folder beside ``out_dir`` to work in; it takes that name when all went well.

    Otherwise it is removed. What a killed run left behind is cleared by the next one.

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
        for leftover in stage.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield stage
        stage.replace(out_dir)
    finally:
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
        segment_with_bpe(stage, merges=size, workers=workers)
    else:
        segment_with_sentencepiece(stage, vocabulary=size, workers=workers)


def _binarise(stage: Path, workers: int) -> None:
    _report(3, "binarise with fairseq-preprocess")
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


def _vocabulary_size(stage: Path) -> int:
    _report(4, "write the data card")
    from fairseq.data import Dictionary

    return len(Dictionary.load(str(stage / "data-bin" / f"dict.{LANGUAGES[0]}.txt")))


def _checksums(stage: Path) -> dict[str, str]:
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    return {path.relative_to(stage).as_posix(): sha256(path) for path in files}

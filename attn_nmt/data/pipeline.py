"""The steps from a corpus to ``data-bin``, in an output directory that is created atomically."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path

from attn_nmt import child_processes
from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import SPLITS, Corpus, Languages, without_blank, write_raw
from attn_nmt.data.parallel import map_lines
from attn_nmt.data.steps import Steps
from attn_nmt.data_card import FILE_NAME, DataCard, sha256
from attn_nmt.text import moses
from attn_nmt.text.moses import LineFunction
from attn_nmt.text.subwords import SUBWORD_TOOLS, Subwords, build_subwords

_PACKAGES = ("fairseq-fixed", "sacremoses", *SUBWORD_TOOLS, "babel", "num2words")


@dataclass(frozen=True)
class CorpusSummary:
    """What the data card says about the text of a corpus."""

    lines: dict[str, int]
    """Sentence pairs of each split."""
    dropped: dict[str, int]
    """Training pairs left out, by reason."""
    normalized_punctuation: bool = False
    """Whether punctuation was normalised by Moses's rules."""
    subset: dict[str, list[int]] = field(default_factory=dict)
    """For each source file that differs from the published one: its lines, the published lines."""


def prepare(
    name: str, load: Callable[[Path], Corpus], args: Namespace, *, langs: Languages
) -> None:
    """Prepare a corpus that fits into memory; ``load`` gets a scratch directory for downloads.

    Raises:
        UsageError: as :func:`create_output`, or if the corpus breaks a rule.
    """
    create_output(name, lambda stage: _build(load, stage, args, langs), args, langs=langs)


def _build(
    load: Callable[[Path], Corpus], stage: Path, args: Namespace, langs: Languages
) -> CorpusSummary:
    """Fill ``stage`` with everything but the data card."""
    _report(1, "read the corpus")
    corpus = load(stage / "scratch")
    shutil.rmtree(stage / "scratch", ignore_errors=True)
    kept = {**corpus, "train": without_blank(corpus["train"])}
    for split in SPLITS:
        if not kept[split]:
            raise UsageError(f"The {split} split must hold sentences, but is empty.")
        write_raw(stage, split, kept[split], langs)
    subwords = build_subwords(args.subword, vars(args))
    _report(2, f"segment with {subwords.name}")
    form = text_directory(subwords, normalize_punctuation=False)
    if form != "raw":
        preprocess(moses.tokenizer, stage, form, langs, workers=args.workers)
    subwords.learn(training_files(stage / form, langs), stage, size=args.bpe_merges)
    apply_subwords(subwords, stage / form, stage, langs, workers=args.workers)
    _report(3, "binarise with fairseq-preprocess")
    binarise(stage, args.workers, langs)
    _report(4, "write the data card")
    return CorpusSummary(
        lines={split: len(kept[split]) for split in SPLITS},
        dropped={"blank": len(corpus["train"]) - len(kept["train"])},
    )


def _report(step: int, what: str) -> None:
    print(f"[{step}/4] {what}", file=sys.stderr, flush=True)


def text_directory(subwords: Subwords, *, normalize_punctuation: bool) -> str:
    """Return the name of the directory of the text that is split into subwords."""
    if subwords.text_form == "tokens":
        return "tokens"
    return "normalized" if normalize_punctuation else "raw"


def preprocess(
    make_line: Callable[[str], LineFunction],
    stage: Path,
    form: str,
    langs: Languages,
    *,
    workers: int,
) -> None:
    """raw/ -> ``form``/ by ``make_line(lang)`` for each language."""
    for split in SPLITS:
        for lang in langs:
            name = f"{split}.{lang}"
            make = partial(make_line, lang)
            map_lines(make, stage / "raw" / name, stage / form / name, workers=workers)


def training_files(text: Path, langs: Languages) -> list[Path]:
    """Return the training text of both languages, on which subwords are learned."""
    return [text / f"train.{lang}" for lang in langs]


def apply_subwords(
    subwords: Subwords, text: Path, stage: Path, langs: Languages, *, workers: int
) -> None:
    """``text`` -> subwords/ by the model in ``stage``."""
    for split in SPLITS:
        for lang in langs:
            name = f"{split}.{lang}"
            encoder = partial(subwords.encoder, stage)
            map_lines(encoder, text / name, stage / "subwords" / name, workers=workers)


def run_subword_steps(
    steps: Steps, subwords: Subwords, form: str, args: Namespace, langs: Languages
) -> None:
    """``form``/ -> data-bin/ in three resumable steps: learn subwords, apply them, binarise.

    Raises:
        UsageError: if the subwords cannot be learned, or fairseq-preprocess fails.
    """
    stage = steps.directory
    steps.run(
        f"learn subwords with {subwords.name}",
        partial(subwords.learn, training_files(stage / form, langs), stage, size=args.bpe_merges),
        outputs=list(subwords.files),
        settings=[args.subword, args.bpe_merges, args.sentencepiece_type],
    )
    steps.run(
        "apply subwords",
        partial(apply_subwords, subwords, stage / form, stage, langs, workers=args.workers),
        outputs=["subwords"],
        settings=None,
    )
    steps.run(
        "binarise with fairseq-preprocess",
        partial(binarise, stage, args.workers, langs),
        outputs=["data-bin"],
        settings=None,
    )


def remove_all_but(stage: Path, names: set[str]) -> None:
    """Remove intermediate files, and what an interrupted run with other options left."""
    for path in stage.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def binarise(stage: Path, workers: int, langs: Languages) -> None:
    """subwords/ -> data-bin/, with one dictionary for both languages.

    Raises:
        UsageError: if fairseq-preprocess fails.
    """
    source, target = langs
    command = [*child_processes.command("fairseq_cli.preprocess"), "--joined-dictionary"]
    command += ["--source-lang", source, "--target-lang", target, "--workers", str(workers)]
    command += ["--destdir", str(stage / "data-bin")]
    for split in SPLITS:
        command += [f"--{split}pref", str(stage / "subwords" / split)]
    pipe = subprocess.PIPE
    with child_processes.running(command, stdout=pipe, stderr=pipe, text=True) as process:
        _, errors = process.communicate()
    if process.returncode:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"fairseq-preprocess must succeed, but failed with: {last}")
    # Its log names the staging directory, which is about to be renamed.
    (stage / "data-bin" / "preprocess.log").unlink(missing_ok=True)


def create_output(
    name: str,
    build: Callable[[Path], CorpusSummary],
    args: Namespace,
    *,
    langs: Languages,
    resumable: bool = False,
) -> None:
    """Let ``build`` fill the output directory, and write the data card into it.

    Does nothing if the directory was already prepared with the same options.

    Raises:
        UsageError: if the output directory holds anything else, or is a mount point.
    """
    out_dir: Path = args.out_dir
    if not out_dir.name:
        raise UsageError(f"OUT_DIR must name a new directory, but is {out_dir}.")
    if out_dir.is_symlink():  # a directory can take the place of another one, but not of a link
        out_dir = out_dir.resolve()
    options = _recorded_options(args)
    if _is_prepared(out_dir, name, options):
        print(f"{out_dir} is prepared already, with the same options.", file=sys.stderr)
        return
    if out_dir.is_mount():
        # Nothing can take its place, which would show only after all the work.
        raise UsageError(
            f"OUT_DIR must not be a mount point, but {out_dir} is one; name a directory in it."
        )
    with staging_directory(out_dir, resumable=resumable) as stage:
        summary = build(stage)
        card = DataCard(
            corpus=name,
            source_lang=langs[0],
            target_lang=langs[1],
            subword=args.subword,
            options=options,
            lines=summary.lines,
            dropped=summary.dropped,
            normalized_punctuation=summary.normalized_punctuation,
            subset=summary.subset,
            vocabulary_size=_vocabulary_size(stage / "data-bin" / f"dict.{langs[0]}.txt"),
            tools={package: version(package) for package in _PACKAGES},
            files=_checksums(stage),
        )
        card.write(stage)
    *counts, last = (f"{count:,} {split}" for split, count in card.lines.items())
    pairs = f"{', '.join(counts)} and {last} pairs"
    print(f"{out_dir} is prepared: {pairs}, {card.vocabulary_size:,} symbols.", file=sys.stderr)


@contextmanager
def staging_directory(out_dir: Path, *, resumable: bool = False) -> Iterator[Path]:
    """Yield a directory beside ``out_dir`` to work in; it is renamed to ``out_dir`` on success.

    On failure it is removed or, if ``resumable`` and not empty, left to the next run. What a killed
    process left behind is removed by the next run, or resumed from.

    Raises:
        UsageError: if another process is preparing the same directory.
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
            f"{out_dir} must be prepared by one process at a time, but another one is running."
        ) from None
    try:
        for leftover in () if resumable else stage.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield stage
        stage.replace(out_dir)
    finally:
        if not resumable:
            shutil.rmtree(stage, ignore_errors=True)
        with suppress(OSError):  # it was renamed, or holds what the next run resumes from
            stage.rmdir()
        os.close(lock)


def _recorded_options(args: Namespace) -> dict[str, object]:
    """Return the options that the result depends on."""
    ignored = {"out_dir", "mirror", "workers"}
    for tool in SUBWORD_TOOLS.values():
        if tool.name != args.subword:
            ignored |= {option.name for option in fields(tool)}
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(args).items()
        if key not in ignored
    }


def _is_prepared(out_dir: Path, name: str, options: dict[str, object]) -> bool:
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    if not (out_dir / FILE_NAME).is_file():
        raise UsageError(f"OUT_DIR must be new or empty, but {out_dir} holds other files.")
    card = DataCard.read(out_dir)
    if card.corpus != name:
        raise UsageError(
            f"OUT_DIR must be new for another corpus, but {out_dir} holds the corpus "
            f"{card.corpus}, not {name}."
        )
    if different := _differences(card.options, options):
        raise UsageError(
            f"OUT_DIR must be new for other options, but {out_dir} has {', '.join(different)}."
        )
    return True


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return each option that differs, with both values if they are short."""
    different = []
    for name in sorted({*old, *new}):
        values = old.get(name, "none"), new.get(name, "none")
        if values[0] == values[1]:
            continue
        if any(isinstance(value, dict | list) for value in values):  # names and checksums of files
            different.append(f"other files for {name}")
        else:
            different.append(f"{name} {values[0]}, not {values[1]}")
    return different


def _vocabulary_size(dictionary: Path) -> int:
    # fairseq writes one symbol per line, except its four special ones.
    return 4 + dictionary.read_bytes().count(b"\n")


def _checksums(stage: Path) -> dict[str, str]:
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    return {path.relative_to(stage).as_posix(): sha256(path) for path in files}

"""``prepare_text.sh``: anyone's parallel text, in any two languages."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from attn_nmt.command_line import UsageError, positive
from attn_nmt.data import options
from attn_nmt.data.held_out import HeldOut
from attn_nmt.data.lines import SPLITS, Languages, Pair, has_text, open_sides, write_pair, write_raw
from attn_nmt.data.parallel_files import ParallelFiles, find_files
from attn_nmt.data.pipeline import (
    CorpusSummary,
    create_output,
    preprocess,
    remove_all_but,
    run_subword_steps,
    text_directory,
)
from attn_nmt.data.steps import Steps
from attn_nmt.progress import track
from attn_nmt.text import moses
from attn_nmt.text.subwords import SUBWORD_TOOLS, build_subwords

COUNTS = "counts.json"
HELD_OUT = "held-out"
_EVALUATION_SPLITS = tuple(split for split in SPLITS if split != "train")


@dataclass(frozen=True)
class Inputs:
    """Where the text of each split comes from."""

    train: tuple[ParallelFiles, ...]
    evaluation: dict[str, ParallelFiles]
    """Those of valid and test that have files of their own."""
    held_out: dict[str, int]
    """The others: pairs to take out of the training text."""

    def training_pairs(self) -> Iterator[Pair]:
        """Read all training text, pair by pair."""
        return chain.from_iterable(files.pairs() for files in self.train)

    def description(self) -> dict[str, object]:
        """Return each split as the data card records it: names and checksums, no directories."""
        files = {split: files.checksums() for split, files in self.evaluation.items()}
        held_out = {split: [HELD_OUT, size] for split, size in self.held_out.items()}
        train = [file for files in self.train for file in files.checksums()]
        return {"train": train, **files, **held_out}


def read_inputs(args: Namespace, langs: Languages) -> Inputs:
    """Find the files that ``--train``, ``--valid`` and ``--test`` name.

    Raises:
        UsageError: if one is missing, or a flag has another form.
    """
    evaluation, held_out = {}, {}
    for split in _EVALUATION_SPLITS:
        flag, words = f"--{split}", getattr(args, split)
        if words[0] == HELD_OUT and len(words) == 2:
            held_out[split] = positive(f"{flag} {HELD_OUT}")(words[1])
        elif words[0] != HELD_OUT and len(words) == 1:
            evaluation[split] = find_files(flag, words[0], langs)
        else:
            raise UsageError(
                f"{flag} must be one PREFIX or {HELD_OUT} N, but is {' '.join(words)!r}."
            )
    train = tuple(find_files("--train", prefix, langs) for prefix in args.train)
    return Inputs(train, evaluation, held_out)


def check_languages(args: Namespace) -> Languages:
    """Return the two languages.

    Raises:
        UsageError: if they are the same, if a name is not possible, or if the subword tool needs
            tokens and sacremoses has no rules for a language.
    """
    for flag, lang in (("--source-lang", args.source_lang), ("--target-lang", args.target_lang)):
        # fairseq finds the languages between the dots and the hyphen of train.en-fr.en.idx.
        if not re.fullmatch("[A-Za-z0-9_]+", lang):
            raise UsageError(f"{flag} must be letters, digits and _, but is {lang!r}.")
        if SUBWORD_TOOLS[args.subword].text_form == "tokens" and lang not in moses.LANGUAGES:
            plain = [name for name, tool in SUBWORD_TOOLS.items() if tool.text_form == "text"]
            raise UsageError(
                f"{flag} must be a language that sacremoses has rules for "
                f"({', '.join(sorted(moses.LANGUAGES))}), since {args.subword} splits tokens, but "
                f"is {lang!r}; --subword {plain[0]} takes any language."
            )
    if args.source_lang == args.target_lang:
        raise UsageError(
            f"--target-lang must differ from --source-lang, but both are {args.source_lang!r}."
        )
    return args.source_lang, args.target_lang


def build(stage: Path, args: Namespace, inputs: Inputs, langs: Languages) -> CorpusSummary:
    """Run all steps in ``stage``, where an interrupted run may have finished some.

    Args:
        args: the command line, with the description of the inputs in the place of their names.

    Raises:
        UsageError: if the text breaks a rule.
    """
    subwords = build_subwords(args.subword, vars(args))
    form = text_directory(subwords, normalize_punctuation=args.normalize_punctuation)
    steps = Steps(stage, total=4 if form == "raw" else 5)
    steps.run(
        "read and check",
        partial(_read, inputs, stage, langs, seed=args.seed),
        outputs=["raw", COUNTS],
        settings=[langs, args.train, args.valid, args.test, args.seed],
    )
    if form != "raw":
        make_line = partial(
            moses.preprocessor,
            normalize_punctuation=args.normalize_punctuation,
            tokenize=form == "tokens",
            aggressive_hyphens=args.aggressive_hyphens,
        )
        steps.run(
            f"normalise and tokenise as requested ({form})",
            partial(preprocess, make_line, stage, form, langs, workers=args.workers),
            outputs=[form],
            settings=[args.normalize_punctuation, args.aggressive_hyphens],
        )
    run_subword_steps(steps, subwords, form, args, langs)
    counts = json.loads((stage / COUNTS).read_text(encoding="utf-8"))
    remove_all_but(stage, {"raw", form, *subwords.files, "subwords", "data-bin"})
    return CorpusSummary(
        lines=counts["lines"],
        dropped=counts["dropped"],
        normalized_punctuation=args.normalize_punctuation,
    )


def _read(inputs: Inputs, stage: Path, langs: Languages, *, seed: int) -> None:
    """Write raw/, and the numbers of pairs."""
    lines: Counter[str] = Counter()
    for split, files in inputs.evaluation.items():
        lines[split] = write_raw(stage, split, _whole_pairs(f"--{split}", files), langs)
    dropped = Counter({"blank": 0})
    with_text = (pair for pair in inputs.training_pairs() if all(map(has_text, pair)))
    held_out = HeldOut(with_text if inputs.held_out else (), inputs.held_out, seed=seed)
    with ExitStack() as stack:
        files_of = {
            name: open_sides(stack, stage / "raw", name, langs)
            for name in ("train", *inputs.held_out)
        }
        for pair in track(inputs.training_pairs(), "raw/train", unit="pairs"):
            if not all(map(has_text, pair)):
                dropped["blank"] += 1
                continue
            name = held_out.split_of(pair)
            if name is None:
                dropped["copy of a held-out pair"] += 1
                continue
            lines[name] += 1
            write_pair(files_of[name], pair)
    if not lines["train"]:
        raise UsageError("--train must have text on both sides, but all its pairs are blank.")
    counts = {"lines": {name: lines[name] for name in SPLITS}, "dropped": dropped}
    (stage / COUNTS).write_text(json.dumps(counts), encoding="utf-8")


def _whole_pairs(flag: str, files: ParallelFiles) -> Iterator[Pair]:
    """Read a validation or test set, of which no pair is left out."""
    for number, pair in enumerate(files.pairs(), 1):
        for side, text in enumerate(pair):
            if not has_text(text):
                raise UsageError(
                    f"{flag} must have text on both sides of each pair, but "
                    f"{files.place(side, number)} is blank."
                )
        yield pair


def build_parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = options.build_parser(
        "text",
        "Prepare parallel text of any two languages. PREFIX stands for PREFIX.SOURCE and "
        "PREFIX.TARGET, one sentence per line, or for PREFIX.tsv of two columns, each also "
        "with .gz.",
        bpe_merges=8000,
    )
    parser.add_argument("--source-lang", required=True, metavar="S", help="such as en")
    parser.add_argument("--target-lang", required=True, metavar="T", help="such as fr")
    parser.add_argument(
        "--train",
        required=True,
        nargs="+",
        action="extend",
        metavar="PREFIX",
        help="training text; blank pairs are left out and counted",
    )
    for split in _EVALUATION_SPLITS:
        parser.add_argument(
            f"--{split}",
            required=True,
            nargs="+",
            metavar=(f"PREFIX|{HELD_OUT}", "N"),
            help=f"{split} set; {HELD_OUT} N takes N random pairs out of the training text, with "
            "all their copies",
        )
    parser.add_argument(
        "--seed", type=int, default=1, help=f"of the choice of {HELD_OUT} pairs (%(default)s)"
    )
    parser.add_argument(
        "--normalize-punctuation",
        action="store_true",
        help="normalise punctuation by Moses's rules, as for WMT14",
    )
    options.add_aggressive_hyphens(parser)
    return parser


def main() -> None:
    """Read the command line and prepare the corpus."""
    args = build_parser().parse_args()
    langs = check_languages(args)
    if args.aggressive_hyphens and SUBWORD_TOOLS[args.subword].text_form != "tokens":
        raise UsageError(
            "--aggressive-hyphens must come with a --subword that splits tokens, but "
            f"{args.subword} splits plain text."
        )
    inputs = read_inputs(args, langs)
    # The card records which text was prepared, wherever the files are.
    recorded = Namespace(**{**vars(args), **inputs.description()})
    create_output(
        "text",
        partial(build, args=recorded, inputs=inputs, langs=langs),
        recorded,
        langs=langs,
        resumable=True,
    )

"""``evaluate.sh CHECKPOINT_OR_DIR DATA_BIN [fairseq-generate flags]``: translate and score."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path

from attn_nmt.atomic import unfinished_path
from attn_nmt.checkpoints import best_or_last, find_checkpoint, load_checkpoint
from attn_nmt.checkpoints.averaging import average, last_by_update_or_epoch, last_if_enough
from attn_nmt.command_line import UsageError, positive, run
from attn_nmt.data_card import DataCard
from attn_nmt.evaluation.generate import FAILED_LOG, LOG, GenerateFailed, generate, read_hypotheses
from attn_nmt.evaluation.scores import score, sentence_scores
from attn_nmt.search import add_search_options
from attn_nmt.text.segmenter import detokenizer
from attn_nmt.training.options import check_user_dir


def main() -> None:
    """Print one labelled line per score, and the JSON object last.

    The results are kept beside the checkpoint: fairseq-generate's output, the hypotheses as plain
    text, ``scores.json``, and the scores of each sentence. Their directory is ``evaluation-SPLIT/``
    or, unless the checkpoint is the one that its directory stands for, ``evaluation-SPLIT-NAME/``:
    ``averageN`` for an average. 8-bit products have ``-int8`` behind it.
    """
    args, flags = _parser().parse_known_args()
    if not args.data_bin.is_dir():
        raise UsageError(f"DATA_BIN must be a directory, but {args.data_bin} is not one.")
    check_user_dir(flags)
    flags = ["--beam", str(args.beam), "--lenpen", str(args.lenpen), *flags]
    card = DataCard.read(args.data_bin.resolve().parent)
    if args.gen_subset not in card.lines:
        raise UsageError(
            f"--gen-subset must be one of {', '.join(card.lines)}, but is {args.gen_subset!r}."
        )
    if args.or_best and args.average is None:
        raise UsageError("--or-best must be given with --average, but is given without it.")
    to_average: list[Path] = []
    if args.average is not None:
        choose = last_if_enough if args.or_best else last_by_update_or_epoch
        to_average = choose(args.checkpoint, args.average)
    if to_average:
        checkpoint = args.checkpoint / f"average{args.average}.pt"
        average(to_average, checkpoint)
    else:
        checkpoint = find_checkpoint(args.checkpoint)
    name = f"evaluation-{args.gen_subset}"
    if checkpoint != best_or_last(checkpoint.parent):
        name += f"-{checkpoint.stem}"
    if args.int8:
        name += "-int8"
        flags = ["--model-overrides", _int8_override(checkpoint, flags), "--cpu", *flags]
    # On the disk of the checkpoint, so that each finished file can be moved atomically.
    scratch = unfinished_path(checkpoint.parent / name)
    try:
        scratch.mkdir()
        scores = _evaluate(checkpoint, args.data_bin, card, args.gen_subset, scratch, flags)
        _move_files(scratch, checkpoint.parent / name)
        (checkpoint.parent / name / FAILED_LOG).unlink(missing_ok=True)
        print(f"log: {checkpoint.parent / name / LOG}", file=sys.stderr)
        print(scores)
    except GenerateFailed as error:
        # Beside the log of what is there.
        log = checkpoint.parent / name / FAILED_LOG
        log.parent.mkdir(exist_ok=True)
        shutil.move(scratch / LOG, log)
        raise UsageError(f"{error}\nThe full log is in {log}.") from None
    finally:
        if scratch.exists():  # not if a signal came before it was made
            shutil.rmtree(scratch)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="attn-nmt evaluate",
        usage="%(prog)s CHECKPOINT_OR_DIR DATA_BIN [options] [fairseq-generate flags]",
        description="Translate a split and score it.",
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT_OR_DIR", type=Path)
    parser.add_argument("data_bin", metavar="DATA_BIN", type=Path)
    parser.add_argument(
        "--average",
        type=positive("--average"),
        metavar="N",
        help="translate with the mean of the last N checkpoints of the directory",
    )
    parser.add_argument(
        "--or-best",
        action="store_true",
        help="with --average, translate with the best checkpoint, or the last, if fewer were kept",
    )
    parser.add_argument(
        "--gen-subset", metavar="SPLIT", default="test", help="test or valid; default: test"
    )
    add_search_options(parser)
    return parser


def _int8_override(checkpoint: Path, flags: list[str]) -> str:
    """Return what --model-overrides must be for 8-bit products.

    Raises:
        UsageError: if that flag is given, too, or the model has no such products.
    """
    if any(flag.split("=")[0] == "--model-overrides" for flag in flags):
        raise UsageError("--int8 must not be beside --model-overrides: add {'int8': True} there.")
    if "int8" not in ((load_checkpoint(checkpoint).get("cfg") or {}).get("model") or {}):
        raise UsageError(f"--int8 must be left out, since {checkpoint} is not of this package.")
    return "{'int8': True}"


def _evaluate(
    checkpoint: Path, data_bin: Path, card: DataCard, split: str, directory: Path, flags: list[str]
) -> str:
    """Translate and score into ``directory``; return the labelled scores and the line of JSON."""
    reference = DataCard.raw_file(data_bin.resolve().parent, split, card.target_lang)
    references = reference.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(references) != card.lines[split]:
        raise UsageError(
            f"{reference} must have {card.lines[split]} lines as the data card says, "
            f"but has {len(references)}."
        )
    output = generate(checkpoint, data_bin, card, split, directory, flags)
    detokenize = detokenizer(card)
    hypotheses = [detokenize(line) for line in read_hypotheses(output, sentences=len(references))]
    text = "".join(line + "\n" for line in hypotheses)
    (directory / f"hypotheses.{card.target_lang}").write_text(text, encoding="utf-8")
    scores = score(hypotheses, references, card.target_lang, subset=card.subset)
    line = json.dumps({**scores.as_dict(), "checkpoint": checkpoint.name})
    (directory / "scores.json").write_text(line + "\n", encoding="utf-8")
    _write_sentence_scores(directory / "sentences.tsv", hypotheses, references)
    return f"{scores.labelled()}\n{line}"


def _write_sentence_scores(path: Path, hypotheses: list[str], references: list[str]) -> None:
    rows = [
        f"{number}\t{bleu:.2f}\t{chrf:.2f}\n"
        for number, (bleu, chrf) in enumerate(sentence_scores(hypotheses, references))
    ]
    path.write_text("sentence\tbleu\tchrf\n" + "".join(rows), encoding="utf-8")


def _move_files(source: Path, target: Path) -> None:
    """Move the finished files to where those of an earlier evaluation may be."""
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        shutil.move(file, target / file.name)


if __name__ == "__main__":
    run(main)

"""``evaluate.sh CHECKPOINT_OR_DIR DATA_BIN [fairseq-generate flags]``: translate and score."""

from __future__ import annotations

import json
import shutil
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from attn_nmt import moses
from attn_nmt.command_line import UsageError, run
from attn_nmt.data_card import DataCard
from attn_nmt.evaluation.hypotheses import read_hypotheses
from attn_nmt.evaluation.scores import score, sentence_scores
from attn_nmt.evaluation.translate import average_last, find_checkpoint, generate


def main() -> None:
    """Print one labelled line a score, and last the JSON object.

    What was found stays beside the checkpoint, in ``evaluation-SPLIT/`` or, of a mean,
    ``evaluation-SPLIT-averageN/``: fairseq-generate's
    output, the hypotheses as plain text, ``scores.json``, and the scores of each sentence.
    """
    parser = ArgumentParser(
        prog="evaluate.sh", description="Translate a split and score it.", allow_abbrev=False
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT_OR_DIR", type=Path)
    parser.add_argument("data_bin", metavar="DATA_BIN", type=Path)
    parser.add_argument(
        "--average",
        type=int,
        metavar="N",
        help="translate with the mean of the last N checkpoints of the folder",
    )
    parser.add_argument("--gen-subset", metavar="SPLIT", default="test", help="test or valid")
    chosen, flags = parser.parse_known_args()
    if not chosen.data_bin.is_dir():
        raise UsageError(f"DATA_BIN must be a folder, but {chosen.data_bin} is none.")
    card = DataCard.read(chosen.data_bin.resolve().parent)
    if chosen.gen_subset not in card.lines:
        raise UsageError(
            f"--gen-subset must be one of {', '.join(card.lines)}, but is {chosen.gen_subset!r}."
        )
    if chosen.average is None:
        checkpoint, name = find_checkpoint(chosen.checkpoint), f"evaluation-{chosen.gen_subset}"
    else:
        checkpoint = average_last(chosen.checkpoint, chosen.average)
        name = f"evaluation-{chosen.gen_subset}-average{chosen.average}"
    # Beside the checkpoint, on its disk, so that each finished file moves in as a whole.
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=".evaluation-") as scratch:
        _evaluate(checkpoint, chosen.data_bin, card, chosen.gen_subset, Path(scratch), flags)
        _replace(Path(scratch), checkpoint.parent / name)


def _evaluate(
    checkpoint: Path, data_bin: Path, card: DataCard, split: str, folder: Path, flags: list[str]
) -> None:
    reference = DataCard.raw_file(data_bin.resolve().parent, split, card.target_lang)
    references = reference.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(references) != card.lines[split]:
        raise UsageError(
            f"{reference} must have {card.lines[split]} lines as the data card says, "
            f"but has {len(references)}."
        )
    output = generate(checkpoint, data_bin, card, split, folder, flags)
    hypotheses = read_hypotheses(output, sentences=len(references))
    if card.subword == "subword-nmt":
        undo = moses.detokenizer(card.target_lang)
        hypotheses = [undo(line) for line in hypotheses]
    text = "".join(line + "\n" for line in hypotheses)
    (folder / f"hypotheses.{card.target_lang}").write_text(text, encoding="utf-8")
    scores = score(hypotheses, references, card.target_lang, subset=card.subset)
    line = json.dumps(scores.as_dict())
    (folder / "scores.json").write_text(line + "\n", encoding="utf-8")
    _write_sentence_scores(folder / "sentences.tsv", hypotheses, references)
    print(scores.labelled(), line, sep="\n")


def _write_sentence_scores(path: Path, hypotheses: list[str], references: list[str]) -> None:
    rows = [
        f"{number}\t{bleu:.2f}\t{chrf:.2f}\n"
        for number, (bleu, chrf) in enumerate(sentence_scores(hypotheses, references))
    ]
    path.write_text("sentence\tbleu\tchrf\n" + "".join(rows), encoding="utf-8")


def _replace(finished: Path, target: Path) -> None:
    """Put the finished files where an earlier evaluation's were."""
    target.mkdir(exist_ok=True)
    for file in finished.iterdir():
        shutil.move(file, target / file.name)


if __name__ == "__main__":
    run(main)

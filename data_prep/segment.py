"""From sentences to subwords: Moses tokens and BPE, or sentencepiece on the raw text."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from pathlib import Path

import sentencepiece
from sacremoses import MosesTokenizer
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from data_prep.parallel import LineFunction, map_lines

SPLITS = ("train", "valid", "test")
LANGUAGES = ("en", "de")


def segment_with_bpe(folder: Path, *, merges: int, workers: int) -> None:
    """raw/ -> tokens/ -> subwords/ by subword-nmt; the codes are learned on training text only."""
    for split, lang in _all_files():
        name = f"{split}.{lang}"
        tokenizer = partial(moses_tokenizer, lang)
        map_lines(tokenizer, folder / "raw" / name, folder / "tokens" / name, workers=workers)
    codes = folder / "bpe.codes"
    _learn_bpe([folder / "tokens" / f"train.{lang}" for lang in LANGUAGES], codes, merges)
    for split, lang in _all_files():
        name = f"{split}.{lang}"
        encoder = partial(_bpe_encoder, codes)
        map_lines(encoder, folder / "tokens" / name, folder / "subwords" / name, workers=workers)


def segment_with_sentencepiece(folder: Path, *, vocabulary: int, workers: int) -> None:
    """raw/ -> subwords/ by sentencepiece's BPE; the model is learned on training text only."""
    model = folder / "sentencepiece.model"
    sentencepiece.SentencePieceTrainer.train(
        input=[str(folder / "raw" / f"train.{lang}") for lang in LANGUAGES],
        model_prefix=str(model.with_suffix("")),
        model_type="bpe",
        vocab_size=vocabulary,
        # A small corpus may not have that many pieces.
        hard_vocab_limit=False,
        # The text is NFC already; NFKC would change what is scored.
        normalization_rule_name="identity",
        character_coverage=1.0,
        num_threads=1,
        minloglevel=1,
    )
    for split, lang in _all_files():
        name = f"{split}.{lang}"
        encoder = partial(_sentencepiece_encoder, model)
        map_lines(encoder, folder / "raw" / name, folder / "subwords" / name, workers=workers)


def moses_tokenizer(lang: str) -> LineFunction:
    """Return Moses tokenisation of one line, hyphens whole, nothing escaped."""
    tokenizer = MosesTokenizer(lang)
    return partial(tokenizer.tokenize, return_str=True, escape=False)


def _all_files() -> list[tuple[str, str]]:
    return [(split, lang) for split in SPLITS for lang in LANGUAGES]


def _learn_bpe(texts: list[Path], codes: Path, merges: int) -> None:
    lines = "".join(path.read_text(encoding="utf-8") for path in texts).splitlines(keepends=True)
    with (
        codes.open("w", encoding="utf-8") as file,
        # It reports to standard error when the text has too few pairs for so many merges.
        contextlib.redirect_stderr(io.StringIO()),
    ):
        learn_bpe(lines, file, merges)


def _bpe_encoder(codes: Path) -> LineFunction:
    with codes.open(encoding="utf-8") as file:
        encode: LineFunction = BPE(file).process_line
    return encode


def _sentencepiece_encoder(model: Path) -> LineFunction:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return lambda line: " ".join(processor.encode(line, out_type=str))

"""Plain text to the subwords of a prepared corpus, and back, as its data card says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sentencepiece
from subword_nmt.apply_bpe import BPE

from attn_nmt import moses
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.moses import LineFunction

CODES, MODEL = "bpe.codes", "sentencepiece.model"


def bpe_encoder(codes: Path) -> LineFunction:
    """Return what splits tokens into subwords by the codes of subword-nmt."""
    with codes.open(encoding="utf-8") as file:
        encode: LineFunction = BPE(file).process_line
    return encode


def sentencepiece_encoder(model: Path) -> LineFunction:
    """Return what splits text into pieces by a model of sentencepiece."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return lambda line: " ".join(processor.encode(line, out_type=str))


class Segmenter:
    """What turns sentences into a model's input, and its output into sentences.

    Args:
        card: of the corpus that the model was trained on.
        folder: where that card lies, and the codes or the model beside it.

    Raises:
        UsageError: if these are missing.
    """

    def __init__(self, card: DataCard, folder: Path) -> None:
        path = folder / (CODES if card.subword == "subword-nmt" else MODEL)
        if not path.is_file():
            raise UsageError(f"{path} must exist, to split text into subwords, but is missing.")
        self._steps: list[Callable[[str], str]] = []
        if card.normalized_punctuation:
            self._steps.append(moses.punctuation_normalizer(card.source_lang))
        self._detokenize: LineFunction = str
        if card.subword == "subword-nmt":
            hyphens = bool(card.options.get("aggressive_hyphens", False))
            self._steps.append(moses.tokenizer(card.source_lang, aggressive_hyphens=hyphens))
            self._steps.append(bpe_encoder(path))
            self._detokenize = moses.detokenizer(card.target_lang)
        else:
            self._steps.append(sentencepiece_encoder(path))

    def encode(self, sentence: str) -> str:
        """Return the subwords of a source sentence, with blanks between them."""
        text = " ".join(sentence.split())
        for step in self._steps:
            text = step(text)
        return text.strip()

    def decode(self, tokens: str) -> str:
        """Return the plain text of a translation whose subwords are joined."""
        return self._detokenize(tokens)

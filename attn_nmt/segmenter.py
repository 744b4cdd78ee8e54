"""Plain text to the subwords of a prepared corpus, and back, as its data card says."""

from __future__ import annotations

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
        is_moses = card.subword == "subword-nmt"
        split = bpe_encoder(path) if is_moses else sentencepiece_encoder(path)
        self._source_steps = [*_text_steps(card, card.source_lang), split]
        self._target_steps = [*_text_steps(card, card.target_lang), split]
        self._detokenize: LineFunction = moses.detokenizer(card.target_lang) if is_moses else str

    def encode(self, sentence: str) -> str:
        """Return the subwords of a source sentence, with blanks between them."""
        return _through(self._source_steps, sentence)

    def encode_target(self, sentence: str) -> str:
        """Do the same with a sentence of the target language."""
        return _through(self._target_steps, sentence)

    def decode(self, tokens: str) -> str:
        """Return the plain text of a translation whose subwords are joined."""
        return self._detokenize(tokens)


def _text_steps(card: DataCard, lang: str) -> list[LineFunction]:
    """Return what happened to the text of one language before it was split into subwords."""
    steps: list[LineFunction] = []
    if card.normalized_punctuation:
        steps.append(moses.punctuation_normalizer(lang))
    if card.subword == "subword-nmt":
        hyphens = bool(card.options.get("aggressive_hyphens", False))
        steps.append(moses.tokenizer(lang, aggressive_hyphens=hyphens))
    return steps


def _through(steps: list[LineFunction], sentence: str) -> str:
    text = " ".join(sentence.split())
    for step in steps:
        text = step(text)
    return text.strip()

"""Subword segmentation: one class per tool, chosen by name in :func:`build_subwords` only.

The packages are imported where they are called, so that their names, files and ``decode`` can be
used without them.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from attn_nmt.command_line import UsageError

Encoder = Callable[[str], str]


@dataclass(frozen=True)
class Subwords(ABC):
    """A subword tool: learns one model for both languages, encodes lines with it, decodes them.

    The fields of a subclass are the options of its tool, named as on the command line.
    """

    name: ClassVar[str]
    """The package, whose version the data card records; also the value of ``--subword``."""
    text_form: ClassVar[Literal["tokens", "text"]]
    """What is split into subwords: Moses tokens, or plain text."""
    files: ClassVar[tuple[str, ...]]
    """What :meth:`learn` writes; the first is the model that :meth:`encoder` loads."""
    post_process: ClassVar[str]
    """What fairseq calls :meth:`decode`, for ``--post-process``."""

    @abstractmethod
    def learn(self, text: Sequence[Path], directory: Path, *, size: int) -> None:
        """Learn a model of the given size on the files ``text``; write it into ``directory``."""

    def encoder(self, directory: Path) -> Encoder:
        """Load the model in ``directory``; return what splits a line into its subwords.

        Raises:
            UsageError: if the model is missing.
        """
        path = directory / self.files[0]
        if not path.is_file():
            raise UsageError(f"{path} must exist, to split text into subwords, but is missing.")
        return self._load(path)

    @abstractmethod
    def _load(self, model: Path) -> Encoder: ...

    @abstractmethod
    def decode(self, line: str) -> str:
        """Join the subwords of a line."""


class SubwordNmt(Subwords):
    """Byte-pair encoding of tokens; its size is the number of merges."""

    name = "subword-nmt"
    text_form = "tokens"
    files = ("bpe.codes",)
    post_process = "subword_nmt"

    def learn(self, text: Sequence[Path], directory: Path, *, size: int) -> None:
        """Learn the merges on all files, one after the other."""
        from subword_nmt.learn_bpe import learn_bpe

        with contextlib.ExitStack() as stack:
            sources = [
                stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in text
            ]
            codes = stack.enter_context((directory / self.files[0]).open("w", encoding="utf-8"))
            # It reports to standard error when the text has too few pairs for so many merges.
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            learn_bpe(itertools.chain.from_iterable(sources), codes, size)

    def _load(self, model: Path) -> Encoder:
        from subword_nmt.apply_bpe import BPE

        with model.open(encoding="utf-8") as file:
            encode: Encoder = BPE(file).process_line
        return encode

    def decode(self, line: str) -> str:
        """Remove the marks of subwords that continue."""
        return (line + " ").replace("@@ ", "").rstrip()


@dataclass(frozen=True)
class SentencePiece(Subwords):
    """Pieces of plain text; its size is that of the vocabulary."""

    name = "sentencepiece"
    text_form = "text"
    files = ("sentencepiece.model", "sentencepiece.vocab")
    post_process = "sentencepiece"

    sentencepiece_type: str = "bpe"
    """``bpe`` or ``unigram``."""

    # More sentences would not change a vocabulary of this size, but need tens of gigabytes.
    _MAX_SENTENCES: ClassVar[int] = 2_000_000

    def learn(self, text: Sequence[Path], directory: Path, *, size: int) -> None:
        """Learn the pieces, if need be on a random sample that is the same in every run.

        Raises:
            UsageError: if sentencepiece refuses the text, such as one with more different
                characters than pieces.
        """
        import sentencepiece

        sentencepiece.set_random_generator_seed(1)
        try:
            sentencepiece.SentencePieceTrainer.train(
                input=[str(path) for path in text],
                model_prefix=str((directory / self.files[0]).with_suffix("")),
                model_type=self.sentencepiece_type,
                vocab_size=size,
                # A small corpus may not have that many pieces.
                hard_vocab_limit=False,
                input_sentence_size=self._MAX_SENTENCES,
                shuffle_input_sentence=True,
                # The text is NFC already; NFKC would change what is scored.
                normalization_rule_name="identity",
                character_coverage=1.0,
                num_threads=1,
                minloglevel=1,
            )
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2].strip() or "no sentence is short enough"
            raise UsageError(
                f"sentencepiece must learn {size} pieces from the training text (--bpe-merges), "
                f"but cannot: {reason}"
            ) from error

    def _load(self, model: Path) -> Encoder:
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        return lambda line: " ".join(processor.encode(line, out_type=str))

    def decode(self, line: str) -> str:
        """Remove the blanks between pieces, and turn their marks into blanks."""
        return line.replace(" ", "").replace("\u2581", " ").strip()


SUBWORD_TOOLS: dict[str, type[Subwords]] = {tool.name: tool for tool in (SubwordNmt, SentencePiece)}


def build_subwords(name: str, options: Mapping[str, Any]) -> Subwords:
    """Return the tool of that name with those of ``options`` that are its own.

    Raises:
        UsageError: if there is no such tool.
    """
    if name not in SUBWORD_TOOLS:
        raise UsageError(
            f"The subword tool must be one of {', '.join(SUBWORD_TOOLS)}, but is {name!r} instead."
        )
    tool = SUBWORD_TOOLS[name]
    known = {field.name for field in fields(tool)}
    return tool(**{key: value for key, value in options.items() if key in known})

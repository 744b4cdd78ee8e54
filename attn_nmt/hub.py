"""A trained model from Python: plain sentences in, plain sentences out.

from attn_nmt import hub

translator = hub.from_pretrained("runs/cldr", "data/cldr_en2de/data-bin")
translator.translate(["We are learning Mongolian."])
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from fairseq import checkpoint_utils, utils

from attn_nmt import models  # noqa: F401  registers the architectures
from attn_nmt.checkpoints import find_checkpoint, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.segmenter import Segmenter


def from_pretrained(
    path: str | Path,
    data_bin: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
) -> Translator:
    """Load a checkpoint, or the best one of a directory.

    Args:
        path: checkpoint or directory.
        data_bin: of the corpus that it was trained on, with the data card beside it; by default
            the one named in the checkpoint.
        device: by default a GPU if there is one.

    Raises:
        UsageError: if a file is missing or cannot be loaded.
    """
    checkpoint = find_checkpoint(Path(path))
    directory = Path(data_bin) if data_bin is not None else _training_data(checkpoint)
    if not directory.is_dir():
        raise UsageError(f"`data_bin` must be a directory, but {directory} is not one.")
    corpus = directory.resolve().parent
    card = DataCard.read(corpus)
    ensemble, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides={"data": str(directory)}
    )
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Translator(ensemble, task, card, Segmenter(card, corpus), torch.device(device))


def _training_data(checkpoint: Path) -> Path:
    """Return the DATA_BIN of the training; a relative path is relative to where that was run."""
    return Path(load_checkpoint(checkpoint)["cfg"]["task"]["data"])


class Translator:
    """A model, or an ensemble, with the text processing of its corpus."""

    def __init__(
        self,
        ensemble: Sequence[Any],
        task: Any,
        card: DataCard,
        segmenter: Segmenter,
        device: torch.device,
    ) -> None:
        self.models = [model.to(device).eval() for model in ensemble]
        self.task, self.card, self.segmenter, self.device = task, card, segmenter, device
        for model in self.models:
            model.prepare_for_inference_(Namespace(generation=Namespace(print_alignment=None)))

    @overload
    def translate(  # type: ignore[overload-overlap]  # a string is an iterable of strings, too
        self, sentences: str, *, beam: int = 4, lenpen: float = 0.6, max_tokens: int = 8000
    ) -> str: ...

    @overload
    def translate(
        self,
        sentences: Iterable[str],
        *,
        beam: int = 4,
        lenpen: float = 0.6,
        max_tokens: int = 8000,
    ) -> list[str]: ...

    def translate(
        self,
        sentences: str | Iterable[str],
        *,
        beam: int = 4,
        lenpen: float = 0.6,
        max_tokens: int = 8000,
    ) -> str | list[str]:
        """Return a translation of each sentence, empty for a blank one; of one string, a string.

        Args:
            sentences: plain text.
            beam, lenpen: of the search, by default those of ``evaluate.sh``.
            max_tokens: tokens per batch, on the longer side.

        Raises:
            ValueError: if a number breaks its rule, or a sentence has more subwords than the model
                can take.
        """
        if isinstance(sentences, str):
            return self.translate([sentences], beam=beam, lenpen=lenpen, max_tokens=max_tokens)[0]
        for name, value in (("beam", beam), ("max_tokens", max_tokens)):
            if value < 1:
                raise ValueError(f"`{name}` must be positive, but is {value} instead.")
        if not math.isfinite(lenpen):
            raise ValueError(f"`lenpen` must be finite, but is {lenpen} instead.")
        sentences = list(sentences)
        translations = [""] * len(sentences)
        encoded = {
            number: self.encode(sentence)
            for number, sentence in enumerate(sentences)
            if sentence.strip()
        }
        order = list(encoded)
        for row, tokens in self._search(list(encoded.values()), beam, lenpen, max_tokens):
            translations[order[row]] = self.decode(tokens)
        return translations

    def search(self, source: torch.Tensor, *, beam: int = 4, lenpen: float = 0.6) -> torch.Tensor:
        """Translate the tokens of one sentence, (S) -> (T), both ending in </s>."""
        ((_, tokens),) = self._search([source], beam, lenpen, len(source))
        return tokens

    def encode(self, sentence: str, *, target: bool = False) -> torch.Tensor:
        """Return the tokens of a source or ``target`` sentence, with </s>.

        Raises:
            ValueError: if it has more subwords than the model can take.
        """
        segment = self.segmenter.encode_target if target else self.segmenter.encode
        dictionary = self.task.target_dictionary if target else self.task.source_dictionary
        tokens: torch.Tensor = dictionary.encode_line(
            segment(sentence), add_if_not_exist=False
        ).long()
        longest = min(model.max_positions()[int(target)] for model in self.models)
        if len(tokens) > longest:
            raise ValueError(
                f"A sentence must have at most {longest} subwords, but {sentence[:40]!r} has "
                f"{len(tokens)} instead."
            )
        return tokens

    def decode(self, tokens: torch.Tensor) -> str:
        """Return the plain text of a translation."""
        return self.segmenter.decode(self.task.target_dictionary.string(tokens.cpu()))

    def _search(
        self, sources: list[torch.Tensor], beam: int, lenpen: float, max_tokens: int
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the index of each source and its best hypothesis, in the order of the batches."""
        generator = self.task.build_generator(self.models, _search_settings(beam, lenpen))
        for batch in self._batches(sources, max_tokens):
            hypotheses = self.task.inference_step(generator, self.models, batch)
            for row, best in zip(batch["id"].tolist(), hypotheses, strict=True):
                yield row, best[0]["tokens"].cpu()

    def _batches(self, tokens: list[torch.Tensor], max_tokens: int) -> Any:
        if not tokens:
            return
        lengths = torch.tensor([len(sentence) for sentence in tokens])
        iterator = self.task.get_batch_iterator(
            dataset=self.task.build_dataset_for_inference(tokens, lengths),
            max_tokens=max(max_tokens, int(lengths.max())),
            disable_iterator_cache=True,
        )
        for batch in iterator.next_epoch_itr(shuffle=False):
            yield utils.move_to_cuda(batch, self.device) if self.device.type == "cuda" else batch


def _search_settings(beam: int, lenpen: float) -> Namespace:
    """Return the settings of fairseq's search, those of fairseq-generate."""
    return Namespace(beam=beam, lenpen=lenpen, max_len_a=0, max_len_b=200)

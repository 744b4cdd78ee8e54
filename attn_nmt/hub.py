"""A trained model from Python: plain sentences in, plain sentences out.

from attn_nmt import hub

translator = hub.from_pretrained("runs/cldr", "data/cldr_en2de/data-bin")
translator.translate("We are learning Mongolian.")
translator.translate(["One sentence.", "Another."], nbest=3)
"""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, overload

import torch

from attn_nmt.checkpoints import choose_checkpoint, load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.search import WINDOW, SearchOptions
from attn_nmt.text.segmenter import Segmenter

# When it is imported, fairseq lets the root logger print every message of every package.
_ROOT = logging.getLogger()
_BEFORE = _ROOT.level, list(_ROOT.handlers)
from fairseq import checkpoint_utils, utils  # noqa: E402

from attn_nmt.models.attn_transformer import AttnTransformerModel  # noqa: E402

_ROOT.setLevel(_BEFORE[0])
_ROOT.handlers[:] = _BEFORE[1]


def from_pretrained(
    path: str | Path | Sequence[str | Path],
    data_bin: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    int8: bool = False,
) -> Translator:
    """Load a checkpoint, the best one of a directory, or several of them as an ensemble.

    Args:
        path: checkpoint or directory; for an ensemble several of them, or one string with colons
            between them, as fairseq's ``--path``.
        data_bin: of the corpus that it was trained on, with the data card beside it; by default
            the one named in the checkpoint.
        device: by default a GPU if there is one, and the CPU with ``int8``.
        int8: multiply in 8 bits, which is faster on a CPU and rounds a little.

    Raises:
        UsageError: if a file is missing or cannot be loaded, there is no such device, or ``int8``
            is asked of one, or of a model, that does not have it.
    """
    # It logs what it does with the data.
    if (logger := logging.getLogger("fairseq")).level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    target = _device("cpu" if int8 and device is None else device)
    checkpoints = [choose_checkpoint(place) for place in _places(path)]
    directory = Path(data_bin) if data_bin is not None else _training_data(checkpoints[0])
    if not directory.is_dir():
        if data_bin is None:
            raise UsageError(
                f"`data_bin` must be given, since {checkpoints[0]} was trained on {directory}, "
                "which is not here."
            )
        raise UsageError(f"`data_bin` must be a directory, but {directory} is not one.")
    corpus = directory.resolve().parent
    card = DataCard.read(corpus)
    languages = {"source_lang": card.source_lang, "target_lang": card.target_lang}
    ensemble, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint) for checkpoint in checkpoints],
        arg_overrides={"data": str(directory), "int8": int8, **languages},
    )
    if int8:
        for model in ensemble:
            if not isinstance(model, AttnTransformerModel):
                raise UsageError(
                    f"`int8` must be False for a {type(model).__name__}: only this package's "
                    "models have 8-bit products."
                )
    return Translator(ensemble, task, card, Segmenter(card, corpus), target)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(f"`device` must be one of PyTorch's, but is {device!r}.") from None
    if chosen.type not in ("cpu", "cuda"):
        raise UsageError(f"`device` must be cpu or cuda, but is {device}.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"`device` must be there, but is {device} of {torch.cuda.device_count()} GPUs."
        )
    return chosen


def _places(path: str | Path | Sequence[str | Path]) -> list[Path]:
    if isinstance(path, str) and not Path(path).exists():
        return [Path(part) for part in path.split(os.pathsep)]
    if isinstance(path, (str, Path)):
        return [Path(path)]
    if not path:
        raise UsageError("`path` must be a checkpoint, but there is none.")
    return [Path(part) for part in path]


def _training_data(checkpoint: Path) -> Path:
    """Return the DATA_BIN of the training; a relative path is relative to where that was run."""
    task = (load_checkpoint(checkpoint).get("cfg") or {}).get("task") or {}
    if not task.get("data"):
        raise UsageError(f"{checkpoint} must name its data, but does not; give `data_bin`.")
    return Path(task["data"])


class Hypothesis(NamedTuple):
    """One translation of a sentence."""

    text: str
    score: float
    """Log-probability, to base e, divided by length ** lenpen; 0 for a blank sentence."""
    source_tokens: list[str]
    """Subwords, with </s> at the end."""
    target_tokens: list[str]
    alignment: list[int]
    """For each target token the index of the source token that it attends to most; empty unless
    asked for."""


BLANK = Hypothesis("", 0.0, [], [], [])
"""The only translation of a blank sentence."""


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
    def translate(self, sentences: str, **options: Any) -> str: ...

    @overload
    def translate(self, sentences: Iterable[str], **options: Any) -> list[str]: ...

    def translate(self, sentences: str | Iterable[str], **options: Any) -> str | list[str]:
        """Return the best translation of a string, or of each of several.

        Args:
            sentences: plain text; a blank sentence has a blank translation.
            options: fields of :class:`SearchOptions`.

        Raises:
            TypeError: if there is no such option.
            ValueError: if an option breaks its rule, or a sentence has more subwords than the
                model can take.
        """
        if isinstance(sentences, str):
            return self.translate([sentences], **options)[0]
        return [best[0].text for best in self.hypotheses(sentences, **options)]

    def hypotheses(
        self, sentences: Iterable[str], *, window: int = WINDOW, **options: Any
    ) -> Iterator[list[Hypothesis]]:
        """Yield the ``nbest`` hypotheses of each sentence, in the order of the sentences.

        Args:
            sentences: plain text, of any number; read a window ahead.
            window: how many sentences are sorted by length and translated before the first of them
                is returned; more is faster.
            options: fields of :class:`SearchOptions`.

        Raises:
            TypeError, ValueError: as :meth:`translate`.
        """
        search = SearchOptions(**options)
        if window < 1:
            raise ValueError(f"`window` must be positive, but is {window} instead.")
        remaining = iter(sentences)
        while lines := list(islice(remaining, window)):
            encoded = {n: self.encode(line) for n, line in enumerate(lines) if line.strip()}
            order, found = list(encoded), dict[int, list[Hypothesis]]()
            for row, hypotheses in self._search(list(encoded.values()), search):
                found[order[row]] = hypotheses
            yield from (found.get(number, [BLANK]) for number in range(len(lines)))

    def search(
        self,
        source: torch.Tensor,
        *,
        beam: int = SearchOptions.beam,
        lenpen: float = SearchOptions.lenpen,
    ) -> torch.Tensor:
        """Translate the tokens of one sentence, (S) -> (T), both ending in </s>."""
        options = SearchOptions(beam=beam, lenpen=lenpen, max_tokens=len(source))
        ((_, (best, *_)),) = self._raw_search([source], options)
        tokens: torch.Tensor = best["tokens"]
        return tokens.cpu()

    def attention(self, sentence: str, target: str | None = None) -> dict[str, Any]:
        """Return what every sublayer does with a sentence, as ``study inspect --dump`` writes it.

        Args:
            sentence: plain text.
            target: its translation; by default the model's own.

        Returns:
            numpy arrays by name; ``alignment.weights`` is (T, S), and
            ``SIDE.layers.N.SUBLAYER.weights`` (H, Lq, Lk). "source_tokens" (S) and
            "target_tokens" (T) name rows and columns.

        Raises:
            UsageError: if there are several models, or a text is blank or too long.
        """
        # Not at the top: the study imports this module, and needs more packages.
        from attn_nmt.study.inspecting.capture import capture, read_sentence
        from attn_nmt.study.inspecting.files import named_arrays
        from attn_nmt.study.inspecting.panels import make_panels

        if len(self.models) > 1:
            raise UsageError(f"One model must be inspected, but there are {len(self.models)}.")
        read = read_sentence(self, sentence, target)
        return named_arrays(
            make_panels(capture(self.models[0], read.source, read.target), read), read
        )

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
        self, sources: list[torch.Tensor], options: SearchOptions
    ) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield the index of each source and its hypotheses, in the order of the batches."""
        for row, found in self._raw_search(sources, options):
            source = _symbols(self.task.source_dictionary, sources[row])
            yield row, [self._hypothesis(source, raw) for raw in found[: options.nbest]]

    def _hypothesis(self, source_tokens: list[str], raw: dict[str, Any]) -> Hypothesis:
        # fairseq returns (S, T), or nothing.
        weights: torch.Tensor | None = raw.get("attention")
        return Hypothesis(
            self.decode(raw["tokens"]),
            float(raw["score"]),
            source_tokens,
            _symbols(self.task.target_dictionary, raw["tokens"]),
            weights.argmax(0).tolist() if weights is not None and weights.numel() else [],
        )

    def _raw_search(
        self, sources: list[torch.Tensor], options: SearchOptions
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        generator = self.task.build_generator(self.models, options.generator_args())
        for model in self.models:
            model.decoder.needs_alignment = options.alignment
        for batch in self._batches(sources, options.max_tokens):
            hypotheses = self.task.inference_step(generator, self.models, batch)
            is_pad = batch["net_input"]["src_tokens"].eq(self.task.source_dictionary.pad())
            for row, found, pad in zip(batch["id"].tolist(), hypotheses, is_pad, strict=True):
                for hypothesis in found:
                    weights = hypothesis.get("attention")
                    if weights is not None and weights.numel() > 0:
                        hypothesis["attention"] = weights[~pad]
                yield row, found

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


def _symbols(dictionary: Any, tokens: torch.Tensor) -> list[str]:
    return [str(dictionary[token]) for token in tokens.tolist()]

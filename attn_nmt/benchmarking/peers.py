"""CTranslate2 beside us: the compiled engine, with the weights of fairseq's own Transformer."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from attn_nmt.benchmarking.measures import Step
from attn_nmt.benchmarking.models import Model, build_on_cpu, dictionary
from attn_nmt.benchmarking.work import MAX_LENGTH, PAD, Sizes, batch_of_sentences
from attn_nmt.command_line import UsageError

COMPUTE_TYPES = ("float32", "int8")


def require_peers() -> None:
    """Require what ``--peers`` needs.

    Raises:
        UsageError: if CTranslate2 is not installed.
    """
    if find_spec("ctranslate2") is None:
        raise UsageError("--peers needs CTranslate2: pip install ctranslate2.")


def peer_decoding(baseline: Model, sizes: Sizes, compute_type: str) -> Step:
    """Return the translation of the batch of ``work.decoding`` by CTranslate2; it has its results.

    Args:
        baseline: fairseq's Transformer, whose weights are converted.
        sizes: of the batch and the beam; the hypotheses are as long as in ``work.decoding``.
        compute_type: of COMPUTE_TYPES.
    """
    import ctranslate2

    words = dictionary(sizes.vocabulary)
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as parent:
        directory = str(Path(parent) / "model")
        converter = _converter(build_on_cpu(baseline, words).eval(), words)
        converter.convert(directory)
        translator = ctranslate2.Translator(
            directory,
            device="cpu",
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=torch.get_num_threads(),
        )
    rows = batch_of_sentences(sizes.sentences, sizes.vocabulary).cpu()
    # The engine adds </s> itself.
    sources = [[words[token] for token in row[row.ne(PAD)][:-1].tolist()] for row in rows]
    # Like the search of fairseq, with </s> at the end.
    length = MAX_LENGTH - 1

    def step() -> Any:
        return translator.translate_batch(
            sources,
            beam_size=sizes.beam,
            num_hypotheses=sizes.beam,
            return_scores=True,
            min_decoding_length=length,
            max_decoding_length=length,
        )

    return step


def _converter(model: Any, words: Any) -> Any:
    """Return a converter of a model in memory; CTranslate2's own reads checkpoints only."""
    from ctranslate2.converters import fairseq as layers
    from ctranslate2.converters.converter import Converter
    from ctranslate2.specs import transformer_spec

    class InMemory(Converter):  # type: ignore[misc]
        def _load(self) -> Any:
            encoder, decoder = model.encoder, model.decoder
            heads = encoder.layers[0].self_attn.num_heads
            depths = len(encoder.layers), len(decoder.layers)
            spec = transformer_spec.TransformerSpec.from_config(depths, heads, pre_norm=False)
            symbols = ["<blank>" if word == "<pad>" else word for word in words.symbols]
            with torch.no_grad():
                layers.set_transformer_encoder(spec.encoder, encoder)
                layers.set_transformer_decoder(spec.decoder, decoder)
            spec.register_source_vocabulary(symbols)
            spec.register_target_vocabulary(symbols)
            spec.config.decoder_start_token = spec.config.eos_token
            spec.config.add_source_eos = True
            return spec

    return InMemory()

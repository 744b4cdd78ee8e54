"""Random flags of the models: each setting is refused by name, or trains and decodes correctly."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from fairseq.data.data_utils import collate_tokens

from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.flags import ON_OFF
from attn_nmt.models.mechanisms import CONTEXT_BROADCASTS, SELF_ATTENTION, SIDES
from support.tiny_models import build, sentences

PAD, EOS = 1, 2
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
_FLAG = re.compile(r"--[a-z][a-z-]+ must ")

Flags = dict[str, Any]


def draw_flags(seed: int) -> Flags:
    """Return flags for a small model; in one of four draws, some that may not fit the others."""
    rng = random.Random(seed)
    layers = {side: rng.randint(1, 3) for side in SIDES}
    width = rng.choice([8, 12, 16, 32])
    flags: Flags = {"dropout": rng.choice([0.0, 0.1])}
    for side, number in layers.items():
        flags[f"{side}_layers"] = number
        flags[f"{side}_embed_dim"] = width
        flags[f"{side}_ffn_embed_dim"] = rng.choice([4, 16])
        flags[f"{side}_attention_heads"] = rng.choice([1, 2, 4])
    flags |= _mechanisms(rng, layers) | _sample(rng, _ALWAYS, 0.2)
    if rng.random() < 0.25:
        flags |= _sample(rng, _ODD, 0.1)
    return flags


def _sample(rng: random.Random, values: dict[str, Sequence[Any]], probability: float) -> Flags:
    chosen = [name for name in values if rng.random() < probability]
    return {name: rng.choice(values[name]) for name in chosen}


def _mechanisms(rng: random.Random, layers: dict[str, int]) -> Flags:
    """Return what the layers are made of, and only the flags that these read."""

    def per_layer(side: str, entry: Callable[[], str]) -> str:
        """One entry, or one for each layer."""
        return ",".join(entry() for _ in range(layers[side] if rng.random() < 0.5 else 1))

    def terms() -> str:
        return f"{rng.randrange(16):04b}"

    flags: Flags = {"cross_attn_terms": per_layer("decoder", terms)}
    kinds = {side: rng.choice(tuple(SELF_ATTENTION)) for side in SIDES}
    for side, kind in kinds.items():
        flags[f"{side}_self_attn_type"] = kind
        if kind == "relative":
            flags[f"{side}_self_attn_terms"] = per_layer(
                side, lambda: "none" if rng.random() < 0.1 else terms()
            )
        if rng.random() < 0.3:
            flags[f"{side}_deformable_kernel_size"] = rng.choice((1, 2, 3, 5, 8))
    lists = [flags.get(f"{side}_self_attn_terms", "none") for side in SIDES]
    if any(set(text.split(",")) != {"none"} for text in lists) and rng.random() < 0.5:
        flags["self_attn_span"] = rng.choice((1, 3, 5, 7, 101))
    if {"dynamic", "lightweight"} & set(kinds.values()):
        flags["conv_kernel_sizes"] = str(rng.choice((1, 2, 3, 5, 8, 31)))
        flags["conv_heads"] = rng.choice((1, 2, 4))
        flags["conv_glu"] = rng.choice(ON_OFF)
    return flags


_ALWAYS: dict[str, Sequence[Any]] = {
    "context_broadcast": CONTEXT_BROADCASTS,
    "encoder_normalize_before": (True,),
    "decoder_normalize_before": (True,),
    "share_decoder_input_output_embed": (True,),
    "share_all_embeddings": (True,),
    "no_scale_embedding": (True,),
    "layernorm_embedding": (True,),
    "checkpoint_activations": (True,),
    "activation_fn": ("gelu", "tanh", "linear"),
    "attention_dropout": (0.1, 1.0),
    "activation_dropout": (0.1,),
    "max_source_positions": (64,),
}
_TERMS = ("", "none", "111", "1112", "1111,", "None", "1111;1111", "-1", "1111,0000,none,0001")
_TAPS = (0, 1, 2, 31, -1, 10**8)
_ODD: dict[str, Sequence[Any]] = {
    "self_attn_terms": _TERMS,
    "encoder_self_attn_terms": _TERMS,
    "decoder_self_attn_terms": _TERMS,
    "cross_attn_terms": _TERMS,
    "self_attn_type": ("dynamic", "none", "sparse"),
    "self_attn_span": (2, -1, 9),
    "conv_kernel_sizes": ("0", "3,5", "x", "", "99999999999999999999", "7"),
    "conv_heads": (0, 3, -1),
    "deformable_kernel_size": _TAPS,
    "encoder_deformable_kernel_size": _TAPS,
    "decoder_deformable_kernel_size": _TAPS,
    "deformable_offset_lr_scale": (1.0, 0.0, -1.0, float("inf"), float("nan")),
    "context_broadcast": ("mean",),
    "log_offsets": (True,),
    "dropout": (-0.1, 1.5, float("nan")),
    "attention_dropout": (-0.1, 1.5, float("nan")),
    "encoder_layers": (0, -1),
    "encoder_embed_dim": (0, 7),
    "decoder_attention_heads": (0, 3),
    "max_source_positions": (0, -1),
    "max_target_positions": (0, -1),
}


def refusal(flags: Flags) -> str | None:
    """Return the sentence with which flags are refused; None if they are accepted.

    Raises:
        AssertionError: if the sentence does not name the flag.
    """
    try:
        AttnTransformerConfig(**flags).validate()
    except ValueError as error:
        assert _FLAG.search(str(error)), f"names no flag: {error}"
        return str(error)
    return None


def check(flags: Flags) -> None:
    """Train one step with accepted flags, and decode.

    Raises:
        AssertionError: if a parameter has no gradient or one that is not finite, or if a sentence
            is decoded otherwise step by step, by itself, or with its padding on the left.
    """
    model = build(**flags)
    source, target = sentences(5, 2, 7), sentences(4, 6, 1, seed=1)
    right, inputs = _batch(source), _previous(target)
    model.train()
    logits, _ = model(right, None, inputs)
    logits.log_softmax(-1)[..., EOS:].square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert bool(torch.isfinite(parameter.grad).all()), f"the gradient of {name} is not finite"
    model.eval()
    with torch.no_grad():
        full, _ = model(right, None, inputs)
        left, _ = model(_batch(source, left_pad=True), None, inputs)
        torch.testing.assert_close(left, full, **CLOSE)
        encoder_out, state = model.encoder(right), {}
        for end in range(1, inputs.size(1) + 1):
            step, _ = model.decoder(inputs[:, :end], encoder_out, incremental_state=state)
            torch.testing.assert_close(step[:, 0], full[:, end - 1], **CLOSE)
        for row, (one, other) in enumerate(zip(source, target, strict=True)):
            alone, _ = model(one.unsqueeze(0), None, _previous([other]))
            torch.testing.assert_close(full[row, : len(other)], alone[0], **CLOSE)


def _batch(source: list[torch.Tensor], *, left_pad: bool = False) -> torch.Tensor:
    tokens: torch.Tensor = collate_tokens(source, PAD, EOS, left_pad=left_pad)
    return tokens


def _previous(target: list[torch.Tensor]) -> torch.Tensor:
    tokens: torch.Tensor = collate_tokens(target, PAD, EOS, move_eos_to_beginning=True)
    return tokens

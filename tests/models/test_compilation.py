"""--compile-layers: the same values and gradients, compiled once for all lengths, not in a search.

Compiling is slow, so the models have one layer a side; what is captured as a graph runs as it is,
but for one test that goes all the way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.data.data_utils import collate_tokens
from support.tiny_models import build, sentences
from torch import Tensor, nn
from torch._dynamo.utils import counters

from attn_nmt.models.compilation import compile_layer

SMALL: dict[str, Any] = {"dropout": 0.0}
for _side in ("encoder", "decoder"):
    SMALL |= {
        f"{_side}_embed_dim": 8,
        f"{_side}_ffn_embed_dim": 12,
        f"{_side}_layers": 1,
        f"{_side}_attention_heads": 2,
    }
RELATIVE = SMALL | {"self_attn_terms": "1111"}
VARIANTS = {
    "1111": RELATIVE,
    "0010 deformable, broadcast, pre-norm": SMALL
    | {
        "self_attn_terms": "0010",
        "deformable_kernel_size": 3,
        "context_broadcast": "plain",
        "encoder_normalize_before": True,
        "decoder_normalize_before": True,
    },
    "dynamic and a span": SMALL
    | {
        "encoder_self_attn_type": "dynamic",
        "conv_heads": 2,
        "conv_kernel_sizes": "3",
        "decoder_self_attn_terms": "0001",
        "self_attn_span": 3,
    },
}
LENGTHS = (((3, 5), (4, 2)), ((7, 2, 3), (9, 1, 1)), ((6, 6, 2), (8, 3, 3)))


class Counter:
    """A backend of ``torch.compile`` that runs the graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, _: Any) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Any:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def compiled(flags: dict[str, Any], counter: Counter) -> Any:
    """Build with the flag, for another backend."""
    model = build(**flags, compile_layers=True)
    for layer in (*model.encoder.layers, *model.decoder.layers):
        compile_layer(layer, fullgraph=True, backend=counter)
    return model


def values_and_gradients(
    model: nn.Module, lengths: tuple[tuple[int, ...], tuple[int, ...]]
) -> list[Tensor | None]:
    source, target = (collate_tokens(sentences(*each), 1) for each in lengths)
    model.zero_grad()
    logits, _ = model(source, None, target)
    torch.autograd.backward(logits.square().sum())
    return [logits, *(parameter.grad for parameter in model.parameters())]


def assert_same(model: nn.Module, other: nn.Module, lengths: Any) -> None:
    pairs = zip(
        values_and_gradients(model, lengths), values_and_gradients(other, lengths), strict=True
    )
    for expected, found in pairs:
        assert (expected is None) == (found is None)
        if expected is not None:
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_values_and_gradients_are_the_same_for_all_lengths(name: str) -> None:
    model = build(**VARIANTS[name]).train()
    counter = Counter()
    other = compiled(VARIANTS[name], counter).train()
    for lengths in LENGTHS[:2]:
        assert_same(model, other, lengths)
    before = counter.graphs
    assert before >= 2
    assert_same(model, other, LENGTHS[2])
    assert counter.graphs == before


def test_the_way_down_to_machine_code() -> None:
    """Some forty kernels, each a second for the compiler; the decoder would add ten."""
    flags = RELATIVE | {"decoder_self_attn_type": "none"}
    model = build(**flags).train()
    flag = build(**flags, compile_layers=True).train()
    assert flag.state_dict().keys() == model.state_dict().keys()
    counters.clear()
    assert_same(model, flag, LENGTHS[0])
    assert counters["stats"]["unique_graphs"] == 2


def test_nothing_is_compiled_outside_of_training() -> None:
    model, counter = build(**RELATIVE), Counter()
    other = compiled(RELATIVE, counter)
    source, target = (collate_tokens(sentences(4, 2), 1) for _ in range(2))
    expected, _ = model(source, None, target)
    assert torch.equal(other(source, None, target)[0], expected)
    memory, state = other.encoder(source), {}
    for step in range(1, 4):
        logits, _ = other.decoder(target[:, :step], memory, incremental_state=state)
        torch.testing.assert_close(logits[:, 0], expected[:, step - 1])
    assert counter.graphs == 0
    other.train()(source, None, target)
    assert counter.graphs > 0


def test_a_copy_is_not_compiled() -> None:
    counter = Counter()
    copied = copy.deepcopy(compiled(RELATIVE, counter)).train()
    source = collate_tokens(sentences(4, 2), 1)
    copied(source, None, source)
    assert counter.graphs == 0


def test_what_a_caller_compiles_for_evaluation_stays_compiled() -> None:
    model, counter = build(**RELATIVE), Counter()
    model.encoder.layers[0].compile(backend=counter)
    model.encoder(collate_tokens(sentences(4, 2), 1))
    assert counter.graphs > 0


def test_not_beside_checkpoint_activations() -> None:
    rule = "^--compile-layers must be off beside --checkpoint-activations, but is True instead.$"
    with pytest.raises(ValueError, match=rule):
        build(**RELATIVE, compile_layers=True, checkpoint_activations=True)

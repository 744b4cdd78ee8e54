"""Context broadcasting against the loop."""

from __future__ import annotations

import pytest
import torch
from support import convolution_reference
from support.batches import BATCH, SIDES, padding_of, sequence
from support.gradients import assert_same, randomize

from attn_nmt.modules import ContextBroadcast

WIDTH = 4


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_equals_the_loop(length: int, scaled: bool, causal: bool, side: str) -> None:
    module = ContextBroadcast(WIDTH, scaled=scaled, causal=causal).double()
    randomize(module)
    x, padding = sequence(length, WIDTH), padding_of(length, side)
    expected = convolution_reference.context_broadcast(
        dict(module.named_parameters()), x, causal=causal, padding=padding
    )
    assert_same(module, {"x": x}, expected, module(x, padding))


def test_plain_has_no_parameters_and_scaled_begins_as_if_it_were_not_there() -> None:
    assert list(ContextBroadcast(WIDTH).parameters()) == []
    module, x = ContextBroadcast(WIDTH, scaled=True), torch.randn(5, BATCH, WIDTH)
    assert torch.equal(module(x), x)
    assert module.scale is not None
    assert module.scale.shape == (WIDTH,)


def test_half_precision_is_summed_in_float32() -> None:
    """The sum of 10,000 tens is more than float16 can hold."""
    for dtype in (torch.float16, torch.bfloat16):
        for causal in (False, True):
            x = torch.full((10000, 1, WIDTH), 10.0, dtype=dtype)
            found = ContextBroadcast(WIDTH, causal=causal)(x)
            assert found.dtype == dtype
            assert torch.equal(found, x)


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="^`embed_dim` must be positive, but is 0 instead.$"):
        ContextBroadcast(0)

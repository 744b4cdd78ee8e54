"""How every mechanism must behave, whatever it computes: one table, one suite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from support.gradients import randomize
from support.terms import REPRESENTATIVE_TERMS
from support.tiny_models import Layer
from torch import Tensor, nn

from attn_nmt.modules import (
    ContextBroadcast,
    DeformableConv1d,
    DynamicConv1d,
    LightweightConv1d,
    RelativeMultiheadAttention,
)

WIDTH, BATCH, LENGTH = 8, 3, 6


class Attention(RelativeMultiheadAttention):
    """Attention with the call of the convolutions."""

    def __init__(self, terms: str, span: int | None, *, need_weights: bool, causal: bool) -> None:
        super().__init__(WIDTH, 2, terms=terms, span=span, causal=causal)
        self.need_weights = need_weights

    def forward(self, x: Tensor, padding_mask: Any = None, incremental_state: Any = None) -> Any:
        output, _ = super().forward(
            x,
            key_padding_mask=padding_mask,
            incremental_state=incremental_state,
            need_weights=self.need_weights,
        )
        return output


# Name -> a mechanism that mixes the positions of one sequence, causal or not.
MECHANISMS: dict[str, Callable[..., nn.Module]] = {
    f"{terms}, span {span}, {'weights' if need_weights else 'no weights'}": partial(
        Attention, terms, span, need_weights=need_weights
    )
    for terms in REPRESENTATIVE_TERMS
    for span in (None, 3)
    for need_weights in (False, True)
}
for _size in (1, 3, 8):
    MECHANISMS[f"deformable {_size}"] = partial(DeformableConv1d, WIDTH, _size, offset_lr_scale=1.0)
for _size in (2, 3, 9):
    MECHANISMS[f"dynamic {_size}"] = partial(DynamicConv1d, WIDTH, _size, 2)
    MECHANISMS[f"lightweight {_size}"] = partial(LightweightConv1d, WIDTH, _size, 4, glu=False)
MECHANISMS["broadcast"] = partial(ContextBroadcast, WIDTH)
MECHANISMS["scaled broadcast"] = partial(ContextBroadcast, WIDTH, scaled=True)
# Whole layers: what has no module of its own, and mechanisms side by side.
MECHANISMS["layer, none"] = partial(Layer, self_attn_terms="none")
MECHANISMS["layer, deformable 0010"] = partial(
    Layer, self_attn_terms="0010", deformable_kernel_size=3
)
MECHANISMS["layer, deformable dynamic, broadcast"] = partial(
    Layer,
    self_attn_type="dynamic",
    conv_heads=2,
    conv_kernel_sizes="3",
    deformable_kernel_size=3,
    context_broadcast="scaled",
    encoder_normalize_before=True,
    decoder_normalize_before=True,
)
mechanism = pytest.mark.parametrize("name", MECHANISMS)


def build(name: str, *, causal: bool) -> nn.Module:
    module = MECHANISMS[name](causal=causal).double().eval()
    randomize(module)
    return module


def sequence(length: int = LENGTH) -> Tensor:
    return torch.randn(length, BATCH, WIDTH, dtype=torch.float64)


def run(module: nn.Module, x: Tensor, **options: object) -> Tensor:
    output: Tensor = module(x, **options)
    return output


@mechanism
def test_no_output_depends_on_later_tokens(name: str) -> None:
    module, x = build(name, causal=True), sequence()
    before = run(module, x)
    for position in range(LENGTH):
        changed = x.clone()
        changed[position] += 1.0
        after = run(module, changed)
        assert torch.equal(after[:position], before[:position])
        assert not torch.equal(after[position:], before[position:])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
@mechanism
def test_padding_and_neighbours_change_nothing(name: str, side: str, causal: bool) -> None:
    """A sentence alone, and among longer ones with arbitrary content in its padding."""
    module, x, pads = build(name, causal=causal), sequence(), 2
    alone = run(module, x[:, :1])
    filler = torch.randn(pads, 1, WIDTH, dtype=torch.float64)
    neighbours = torch.randn(LENGTH + pads, 2, WIDTH, dtype=torch.float64)
    padded = torch.cat((filler, x[:, :1]) if side == "left" else (x[:, :1], filler))
    mask = torch.zeros(3, LENGTH + pads, dtype=torch.bool)
    mask[0, :pads] = True
    mask = mask if side == "left" else mask.flip(1)
    batch = torch.cat((padded, neighbours), dim=1)
    among = run(module, batch, padding_mask=mask)[:, :1]
    kept = among[pads:] if side == "left" else among[:LENGTH]
    torch.testing.assert_close(kept, alone, rtol=1e-10, atol=1e-10)
    # As PyTorch made masks before it had bool.
    assert torch.equal(run(module, batch, padding_mask=mask.byte())[:, :1], among)


@pytest.mark.parametrize("steps", [[1] * LENGTH, [2, 3, 1], [LENGTH]])
@mechanism
def test_decoding_step_by_step_equals_the_full_pass(name: str, steps: list[int]) -> None:
    module, x, state = build(name, causal=True), sequence(), {}
    found = [run(module, part, incremental_state=state) for part in x.split(steps)]
    torch.testing.assert_close(torch.cat(found), run(module, x), rtol=1e-10, atol=1e-10)


@mechanism
def test_padding_of_earlier_steps_is_kept(name: str) -> None:
    module, x, state = build(name, causal=True), sequence(), {}
    mask = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    mask[1, 2] = mask[2, 3:] = True
    # The first step has no padding, so none is passed, as fairseq does.
    masks = [None, *mask[:, 1:].split(1, dim=1)]
    found = [
        run(module, part, padding_mask=step_mask, incremental_state=state)
        for part, step_mask in zip(x.split(1), masks, strict=True)
    ]
    expected = run(module, x, padding_mask=mask)
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-10, atol=1e-10)


# Between two steps rows may move once, twice, or come back to where they were.
@pytest.mark.parametrize(
    "orders",
    [
        [[2, 2, 0]],
        [[1]],
        [[0, 0, 0, 2, 1]],
        [[2, 2, 0], [2, 0]],
        [[1, 2, 0], [2, 0, 1]],
    ],
)
@pytest.mark.parametrize("learning", [False, True])
@mechanism
def test_beams_are_reordered_duplicated_and_dropped(
    name: str, learning: bool, orders: list[list[int]]
) -> None:
    module, x, state = build(name, causal=True), sequence(), {}
    found = []
    with torch.set_grad_enabled(learning):
        for part in x[:3].split(1):
            run(module, part, incremental_state=state)
        for part in range(3, LENGTH):
            for order in orders if part < LENGTH - 1 else []:
                module.reorder_incremental_state(state, torch.tensor(order))
                x, found = x[:, order], [step[:, order] for step in found]
            found.append(run(module, x[part : part + 1], incremental_state=state))
            orders = [torch.arange(x.size(1)).flip(0).tolist()]
    torch.testing.assert_close(torch.cat(found), run(module, x)[3:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", [[2, 2, 0], [0, 1, 2, 1]])
@mechanism
def test_padding_may_follow_a_reordering_of_beams(name: str, order: list[int]) -> None:
    module, x, state = build(name, causal=True), sequence(), {}
    mask = torch.zeros(len(order), LENGTH, dtype=torch.bool)
    mask[1, 4:] = True
    with torch.no_grad():
        run(module, x[:3], incremental_state=state)
        module.reorder_incremental_state(state, torch.tensor(order))
        x = x[:, order]
        found = [
            run(
                module,
                x[step : step + 1],
                padding_mask=mask[:, step : step + 1],
                incremental_state=state,
            )
            for step in range(3, LENGTH)
        ]
    expected = run(module, x, padding_mask=mask)[3:]
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-10, atol=1e-10)


@mechanism
def test_a_module_made_in_inference_mode_decodes(name: str) -> None:
    with torch.inference_mode():
        module, x, state = build(name, causal=True), sequence(), {}
        order = torch.tensor([1, 1, 0])
        for part in x[:3].split(1):
            run(module, part, incremental_state=state)
        module.reorder_incremental_state(state, order)
        found = run(module, x[3:, order], incremental_state=state)
        torch.testing.assert_close(found, run(module, x[:, order])[3:], rtol=1e-10, atol=1e-10)


@mechanism
def test_two_modules_do_not_share_a_cache(name: str) -> None:
    first, second, x, state = (
        build(name, causal=True),
        build(name, causal=True),
        sequence(),
        {},
    )
    for part in x.split(1):
        run(first, part, incremental_state=state)
    found = torch.cat([run(second, part, incremental_state=state) for part in x.split(1)])
    torch.testing.assert_close(found, run(second, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
@mechanism
def test_every_parameter_gets_a_gradient(name: str, causal: bool) -> None:
    module = build(name, causal=causal).train()
    # Plain broadcasting has no parameters.
    run(module, sequence().requires_grad_()).pow(2).sum().backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@mechanism
def test_half_precision_is_close(name: str, dtype: torch.dtype, causal: bool) -> None:
    module, x = build(name, causal=causal), sequence()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.3)
    expected = run(module, x)
    found = run(module.to(dtype), x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    "name", ["deformable 3", "dynamic 3", "lightweight 3", "broadcast", "scaled broadcast"]
)
def test_stepping_needs_causality(name: str) -> None:
    """Of attention without causality every step sees all keys: those of the source."""
    message = "^`incremental_state` must be None unless `causal` is True.$"
    with pytest.raises(ValueError, match=message):
        run(build(name, causal=False), sequence(2), incremental_state={})


@mechanism
def test_autocast_runs_and_is_close(name: str) -> None:
    """Mixed precision keeps the parameters in float32; types must meet all the same."""
    module, x = build(name, causal=True).float().train(), sequence().float().requires_grad_()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.3)
    expected = run(module, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(module, x)
        state: dict[str, Any] = {}
        steps = torch.cat([run(module, part, incremental_state=state) for part in x.split(1)])
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    torch.testing.assert_close(steps.float(), expected, rtol=0.05, atol=0.05)
    found.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())

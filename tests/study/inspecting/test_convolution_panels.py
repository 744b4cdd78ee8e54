"""The arrows of deformable convolution, the bands of dynamic and lightweight convolution."""

from __future__ import annotations

import pytest
import torch
from support.convolution_reference import readable
from support.gradients import randomize

from attn_nmt.modules import DeformableConv1d, DynamicConv1d, LightweightConv1d
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.convolution_panels import DeformableView, KernelView

WIDTH, LENGTH = 8, 6
TOKENS = [f"w{number}" for number in range(LENGTH)]


def sentence() -> torch.Tensor:
    return torch.randn(LENGTH, 1, WIDTH, dtype=torch.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("taps", [2, 3])
def test_arrows_are_the_offsets_of_a_slow_loop(causal: bool, taps: int) -> None:
    module = DeformableConv1d(WIDTH, taps, causal=causal, offset_lr_scale=1.5).double()
    randomize(module)
    x = sentence()
    view = DeformableView.of(module, x)
    arrows = view.arrows(TOKENS)
    output = module(x).detach()
    zeros = 0
    for q in range(LENGTH):
        y = module.bias.detach()
        for m in range(taps):
            center = m - (taps - 1) if causal else m - (taps - 1) / 2
            offset = 1.5 * float(module.offset_proj.weight[m].detach() @ x[q, 0])
            position = q + center + offset
            parts = {
                k: max(0.0, 1 - abs(k - position))
                for k in readable(LENGTH, q, causal=causal, padding=None, b=0)
            }
            assert float(arrows.taps[m]) == center
            assert arrows.offsets[q, m] == pytest.approx(offset, abs=1e-9)
            assert arrows.positions[q, m] == pytest.approx(position, abs=1e-9)
            assert arrows.reads[q, m] == pytest.approx(sum(parts.values()), abs=1e-9)
            zeros += arrows.reads[q, m] == 0
            for token, share in zip(
                view.neighbours[q, m], view.neighbour_shares[q, m], strict=True
            ):
                y = y + share * (module.weight[:, :, m].detach() @ x[int(token), 0])
        torch.testing.assert_close(y, output[q, 0], rtol=0, atol=1e-9)
    assert 0 < zeros < LENGTH * taps, "some arrows must read, and some must not"
    assert ("to the right" in arrows.why_zero) == causal


@pytest.fixture(
    params=[
        (DynamicConv1d, 3, False, True),
        (DynamicConv1d, 4, False, False),
        (DynamicConv1d, 9, True, True),
        (LightweightConv1d, 3, True, True),
        (LightweightConv1d, 15, False, True),
    ],
    ids=lambda case: f"{case[0].__name__} {case[1]}",
)
def module(request: pytest.FixtureRequest) -> HeadwiseConv1d:
    kind, taps, causal, glu = request.param
    module: HeadwiseConv1d = kind(WIDTH, taps, 2, causal=causal, glu=glu).double()
    randomize(module)
    return module


def test_bands_times_values_are_the_output(module: HeadwiseConv1d) -> None:
    x = sentence()
    view = KernelView.of(module, x)
    # (L, 1, C) -> (H, L, D)
    values = module.gate(x)[:, 0].view(LENGTH, 2, -1).transpose(0, 1)
    output = module.out_proj((view.band @ values).transpose(0, 1).flatten(1))
    torch.testing.assert_close(output, module(x)[:, 0], rtol=0, atol=1e-9)


def test_bands_lie_where_the_kernel_has_taps(module: HeadwiseConv1d) -> None:
    view = KernelView.of(module, sentence())
    bands, taps = view.pictures(TOKENS)
    torch.testing.assert_close(
        torch.as_tensor(bands.values).sum(-1), torch.ones(2, LENGTH, dtype=torch.float64)
    )
    back = module.kernel_size - 1 if module.causal else (module.kernel_size - 1) // 2
    assert [int(name) for name in taps.columns] == [m - back for m in range(module.kernel_size)]
    shared = isinstance(module, LightweightConv1d)
    for q in range(LENGTH):
        row = 0 if shared else q
        outside = [0.0, 0.0]
        for m in range(module.kernel_size):
            k = q + m - back
            weight = float(view.kernel[0, row, m])
            if 0 <= k < LENGTH:
                assert bands.values[0, q, 1 + k] == pytest.approx(weight)
                assert not bands.masked[q, 1 + k]
                assert shared or taps.values[0, row, m] == pytest.approx(weight)
            else:
                outside[k > 0] += weight
            assert taps.masked[row, m] == (not shared and not 0 <= k < LENGTH)
        assert bands.values[0, q, [0, -1]] == pytest.approx(outside)
        assert list(bands.masked[q, [0, -1]]) == [value == 0 for value in outside]
        window = range(q - back, q - back + module.kernel_size)
        assert [k for k in range(LENGTH) if not bands.masked[q, 1 + k]] == [
            k for k in range(LENGTH) if k in window
        ]
    assert taps.rows == (["every token"] if shared else TOKENS)

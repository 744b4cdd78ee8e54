"""Dropout with cheap masks: how often, of what, by which numbers, and its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attn_nmt.functional.dropout import dropout

COUNT = 400_000
SIGMAS = 5


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9, 1 / 65536])
def test_each_entry_is_dropped_as_often_as_asked_for(p: float) -> None:
    torch.manual_seed(3)
    dropped = (dropout(torch.ones(COUNT), p) == 0).float()
    # Four entries share a random number: each place in it, and each pair of places, is looked at.
    places = dropped.view(-1, 4)
    spread = (p * (1 - p)) ** 0.5
    assert (places.mean(0) - p).abs().max() < SIGMAS * spread / len(places) ** 0.5
    apart = places - p
    products = apart.T @ apart / len(places)
    off_diagonal = products - products.diagonal().diag()
    assert off_diagonal.abs().max() < SIGMAS * spread**2 / len(places) ** 0.5 + 1e-4 * spread
    neighbours = apart[1:].flatten() @ apart[:-1].flatten() / COUNT
    assert neighbours.abs() < SIGMAS * spread**2 / COUNT**0.5 + 1e-4 * spread


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (5, 1, 2, 3), (0, 4), (64, 33)])
def test_what_is_kept_is_divided_by_how_much_is_kept(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    torch.manual_seed(1)
    x = torch.randn(shape, dtype=dtype)
    kept = 1 - round(0.3 * 65536) / 65536
    output = dropout(x, 0.3)
    assert output.shape == x.shape and output.dtype == dtype
    torch.testing.assert_close(output, torch.where(output == 0, 0, x / kept).to(dtype))


def test_the_gradient_is_dropped_and_scaled_alike() -> None:
    x = torch.randn(9, 10, dtype=torch.float64, requires_grad=True)
    turned = x.T  # not contiguous

    def fixed(y: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return dropout(y, 0.4)

    assert torch.autograd.gradcheck(fixed, (turned,))
    (gradient,) = torch.autograd.grad(fixed(turned).sum(), x)
    assert torch.equal(gradient.T == 0, fixed(turned) == 0)
    assert x.ne(0).all()


def test_a_seed_fixes_the_mask_and_the_next_one_differs() -> None:
    x = torch.ones(100)
    torch.manual_seed(7)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(7)
    assert torch.equal(dropout(x, 0.5), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("p", "expected"), [(0.0, 1.0), (1e-9, 1.0), (1 - 1e-9, 0.0), (1.0, 0.0)])
def test_probabilities_at_the_ends_are_pytorchs(p: float, expected: float) -> None:
    torch.manual_seed(1)
    assert torch.equal(dropout(torch.ones(50), p), torch.full((50,), expected))


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_what_is_no_probability_is_refused_as_by_pytorch(p: float) -> None:
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        dropout(torch.ones(5), p)


def test_other_devices_draw_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    original = F.dropout

    def counted(x: torch.Tensor, p: float) -> torch.Tensor:
        calls.append(p)
        return original(x, p)

    monkeypatch.setattr(F, "dropout", counted)
    assert dropout(torch.ones(5, device="meta"), 0.1).device.type == "meta"
    dropout(torch.ones(5), 0.1)
    assert calls == [0.1]

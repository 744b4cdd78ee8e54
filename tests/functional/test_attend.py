"""Both ways to attend by a product, fused and as products, against the formula."""

from __future__ import annotations

import pytest
import torch

from attn_nmt.functional import attend
from attn_nmt.functional.attend import attend_by_product

BATCH, HEADS, QUERIES, KEYS, WIDTH = 2, 3, 5, 7, 4
BIASES = {
    "none": None,
    "full": (BATCH, HEADS, QUERIES, KEYS),
    "shared": (1, HEADS, QUERIES, KEYS),
    "by key": (BATCH, HEADS, 1, KEYS),
}


def blocked_keys(kind: str) -> torch.Tensor | None:
    """Return a mask, True = blocked; in "padding" all keys of the second sentence are."""
    if kind == "none":
        return None
    if kind == "causal":
        return torch.ones(QUERIES, KEYS, dtype=torch.bool).triu(1)
    padding = torch.zeros(BATCH, 1, 1, KEYS, dtype=torch.bool)
    padding[0, ..., 4:] = padding[1] = True
    return padding


@pytest.mark.parametrize("products", [False, True], ids=["fused", "products"])
@pytest.mark.parametrize("mask", ["none", "causal", "padding"])
@pytest.mark.parametrize("shape", BIASES)
def test_equals_the_formula(
    shape: str, mask: str, products: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend, "_products_pay", lambda *arguments: products)
    torch.manual_seed(1)
    sizes = [(QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, WIDTH)]
    query, key, value = (torch.randn(BATCH, HEADS, *size).double() for size in sizes)
    size, blocked = BIASES[shape], blocked_keys(mask)
    given = [query, key, value] if size is None else [query, key, value, torch.randn(size).double()]
    given = [tensor.requires_grad_() for tensor in given]
    bias = given[3] if size is not None else None

    weights = (query @ key.transpose(-1, -2) + (0.0 if bias is None else bias)).exp()
    if blocked is not None:
        weights = weights * ~blocked
    expected = weights @ value / weights.sum(-1, keepdim=True).clamp(min=1e-30)
    found = attend_by_product(query, key, value, bias, blocked, 0.0)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(expected)
    pairs = zip(
        torch.autograd.grad(found, given, upstream),
        torch.autograd.grad(expected, given, upstream),
        strict=True,
    )
    for gradient, wanted in pairs:
        torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("keys", "learns_bias", "dtype", "products"),
    [
        (127, False, torch.float32, True),
        (128, False, torch.float32, False),
        (128, True, torch.float32, True),
        (127, True, torch.bfloat16, False),
    ],
)
def test_which_way(keys: int, learns_bias: bool, dtype: torch.dtype, products: bool) -> None:
    query, key = torch.zeros(1, 1, 2, 4, dtype=dtype), torch.zeros(1, 1, keys, 4, dtype=dtype)
    bias = torch.zeros(1, 1, 2, keys, dtype=dtype, requires_grad=learns_bias)
    assert attend._products_pay(query, key, bias) == products

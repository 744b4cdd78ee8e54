"""Sinusoids of signed distances, and the shift."""

from __future__ import annotations

import pytest
import torch
from support.reference import sinusoid

from attn_nmt.functional.relative_position import (
    relative_encoding,
    relative_shift,
)


@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_encoding_is_the_sinusoid_of_the_signed_distance(width: int) -> None:
    distances = torch.arange(-7, 8)
    expected = torch.tensor([sinusoid(int(d), width) for d in distances], dtype=torch.float64)
    found = relative_encoding(distances, width, torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_left_and_right_differ() -> None:
    left, right = relative_encoding(torch.tensor([-3, 3]), 8, torch.float64)
    assert (left - right).abs().max() > 0.1


def test_half_precision_tells_far_distances_apart() -> None:
    # float16 itself cannot hold 2049: angles must be taken before the result is rounded.
    far = relative_encoding(torch.tensor([2049]), 8, torch.float16)
    exact = torch.tensor([sinusoid(2049, 8)])
    torch.testing.assert_close(far.float(), exact, rtol=0, atol=2e-3)


@pytest.mark.parametrize("query_offset", [0, 4])
@pytest.mark.parametrize(("query_length", "key_length"), [(1, 1), (1, 6), (5, 1), (4, 7), (7, 4)])
def test_shift_puts_each_distance_under_its_key(
    query_length: int, key_length: int, query_offset: int
) -> None:
    last_query = query_offset + query_length - 1
    distances = torch.arange(-last_query, key_length - query_offset)
    assert len(distances) == query_length + key_length - 1
    table = torch.stack((distances, distances + 100))[:, None, None]
    # (H, Lq, B, N), heads and sentences told apart
    table = table.repeat(1, query_length, 3, 1) + 1000 * torch.arange(3).view(3, 1)
    shifted = relative_shift(table, key_length)
    for i in range(query_length):
        for j in range(key_length):
            assert shifted[0, 0, i, j] == j - (i + query_offset)
            assert shifted[2, 1, i, j] == j - (i + query_offset) + 2100


def test_shift_is_a_view() -> None:
    by_distance = torch.randn(2, 5, 3, 10)
    assert relative_shift(by_distance, 6).data_ptr() == by_distance[..., 4:].data_ptr()


def test_shift_of_queries_at_one_position() -> None:
    by_distance = torch.randn(2, 5, 3, 6)
    assert torch.equal(relative_shift(by_distance, 6), by_distance.permute(2, 0, 1, 3))

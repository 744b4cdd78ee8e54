"""Tokens in a buffer that follow a beam search equal tokens that are selected and joined anew."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor

from attn_nmt.modules.past_tokens import PastTokens, find_moves

HEADS, WIDTH, SENTENCES, BEAM = 2, 3, 4, 3


def step(rows: int, length: int = 1) -> Tensor:
    return torch.randn(rows, HEADS, length, WIDTH)


def beam_order(sentences: list[int], generator: torch.Generator) -> Tensor:
    """Each row of the sentences that go on continues some row of its sentence."""
    drawn = torch.randint(0, BEAM, (len(sentences), BEAM), generator=generator)
    return (torch.tensor(sentences).unsqueeze(1) * BEAM + drawn).flatten()


@pytest.fixture(autouse=True)
def _no_grad() -> object:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("window", [None, 0, 1, 5, 40])
@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_a_search_finds_the_tokens_of_its_hypotheses(
    seed: int, first: int, window: int | None
) -> None:
    """Long enough for the buffer to grow twice; sentences finish, most steps move few tokens."""
    generator = torch.Generator().manual_seed(seed)
    rows = SENTENCES * BEAM
    expected = step(rows, first)
    past = PastTokens.of(expected)
    for number in range(80):
        sentences = list(range(rows // BEAM))
        if number % 25 == 24:
            del sentences[seed % len(sentences)]
        order = beam_order(sentences, generator)
        if number % 3:
            # Rows that stay, except in the last sentence
            order[:-BEAM] = torch.arange(rows).view(-1, BEAM)[sentences].flatten()[:-BEAM]
        rows = len(order)
        new = step(rows, 1 + number % 2)
        past = past.reorder(order).append(new)
        expected = torch.cat((expected.index_select(0, order), new), dim=2)
        if window is not None:
            past = past.keep_last(window)
            expected = expected[:, :, max(0, expected.size(2) - window) :]
        assert torch.equal(past.heads, expected)


@pytest.mark.parametrize(
    "order",
    [[1, 1, 0], [2], [0, 0, 1, 2, 2], [2, 0], [0, 1, 2]],
    ids=["permuted", "one left", "more rows", "fewer rows", "as they are"],
)
@pytest.mark.parametrize("times", [1, 2])
def test_any_order_may_come_any_number_of_times(order: list[int], times: int) -> None:
    expected = step(3, 2)
    past = PastTokens.of(expected)
    for _ in range(times):
        past = past.append(new := step(expected.size(0)))
        chosen = torch.tensor([row % expected.size(0) for row in order])
        past = past.reorder(chosen).reorder(torch.arange(len(chosen)).flip(0))
        expected = torch.cat((expected, new), dim=2)[chosen].flip(0)
    assert torch.equal(past.heads, expected)


def test_few_tokens_move_within_the_buffer() -> None:
    # All rows take the past of row 0, and differ in what follows only.
    past = PastTokens.of(step(4, 20)).append(step(4))
    past = past.reorder(torch.tensor([0, 0, 0, 0])).append(new := step(4))
    buffer, before = past.buffer, past.heads.clone()
    past = past.reorder(order := torch.tensor([1, 0, 3, 2]))
    assert past.buffer is buffer
    assert torch.equal(past.heads[:, :, :-1], before[:, :, :-1])
    assert torch.equal(past.heads[:, :, -1:], new[order])
    moves = find_moves(past.origins, 4, 22, torch.tensor([1, 0, 2, 3]))
    assert moves.tokens is not None
    assert [rows.tolist() for rows in moves.tokens] == [[21, 21], [1, 0], [0, 1]]


def test_a_buffer_grows_seldom() -> None:
    past, buffers = PastTokens.of(step(2)), []
    for _ in range(200):
        past = past.append(step(2))
        buffers.append(past.buffer.data_ptr())
    assert sum(a != b for a, b in itertools.pairwise(buffers)) <= 3


def test_what_was_forgotten_does_not_come_back() -> None:
    past = PastTokens.of(step(2)).append(step(2, 9)).keep_last(2)
    assert torch.equal(past.keep_last(5).heads, past.heads)


def test_the_tokens_of_a_caller_are_not_written_over() -> None:
    given = step(2, 20)
    before = given.clone()
    past = PastTokens.of(given).reorder(torch.tensor([0, 1])).append(step(2))
    past.reorder(torch.tensor([1, 0])).append(step(2))
    assert torch.equal(given, before)


def test_a_window_needs_no_more_memory_in_a_long_search() -> None:
    past = PastTokens.of(step(2))
    capacities = []
    for _ in range(200):
        past = past.append(step(2)).keep_last(20)
        capacities.append(len(past.buffer))
    assert max(capacities) == capacities[50] <= 64


@pytest.mark.parametrize("how", ["append", "reorder"])
def test_a_second_continuation_is_refused(how: str) -> None:
    """It would find the tokens of the first one in the buffer."""
    past = PastTokens.of(step(2)).append(step(2))
    other = copy.deepcopy(past)
    before = past.heads.clone()
    past.append(step(2))
    with pytest.raises(RuntimeError, match="^A cache must be continued once"):
        past.append(step(2)) if how == "append" else past.reorder(torch.tensor([0, 1]))
    assert torch.equal(other.append(new := step(2)).heads, torch.cat((before, new), dim=2))


def test_gradients_reach_the_tokens_of_earlier_steps() -> None:
    with torch.enable_grad():
        first, second, third = (step(2).requires_grad_() for _ in range(3))
        past = PastTokens.of(first).reorder(torch.tensor([1, 1])).append(second)
        energy = past.heads.square().sum()
        past = past.append(third)
        (energy + past.heads.square().sum()).backward()
    assert first.grad is not None
    torch.testing.assert_close(first.grad[0], torch.zeros_like(first[0]))
    torch.testing.assert_close(first.grad[1], 8 * first[1])
    assert second.grad is not None
    torch.testing.assert_close(second.grad, 4 * second)
    with torch.no_grad():
        past.reorder(torch.tensor([1, 0])).append(step(2))
    assert torch.equal(past.heads[:, :, 0], first[[1, 1], :, 0])


def test_layers_share_what_they_find_out() -> None:
    order = torch.tensor([1, 0, 2])
    assert find_moves(None, 3, 4, order) is find_moves(None, 3, 4, order)
    before = find_moves(None, 3, 4, order).origins.tolist()
    order[0] = 2
    assert find_moves(None, 3, 4, order).origins.tolist() != before

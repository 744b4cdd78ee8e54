"""What a module keeps of each earlier token while it decodes, and how that follows a beam search.

Before every step of a search its rows change places. Little changes with them: a row and the one
whose place it takes mostly continue the same hypothesis, and differ in the last tokens. So the
tokens of all rows stay in one buffer, and on a CPU only those that differ move.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Room for the first tokens of a search, so that the buffer does not grow at every step.
_MIN_CAPACITY = 32


@dataclass(eq=False)
class PastTokens:
    """A vector of every token so far, split into heads, in a buffer with room for more.

    Without gradients, :meth:`append` and :meth:`reorder` write into the buffer and return what
    takes the place of this object. It cannot be continued a second time; to try two continuations,
    make a ``copy.deepcopy`` before.

    Shape:
        - buffer: (capacity, R0, H, D), time first as the modules are, so that a token of a row is
          one piece of memory; R <= R0 rows are in use
        - origins: (R, n), the row in which the search wrote the token that a row has at one of the
          first n positions; the same number at the same position means the same token. Every other
          token is in the row where it was written; None = all are.
    """

    buffer: Tensor
    rows: int
    """Rows in use, R."""
    start: int
    """Index in the buffer of the first token that is kept."""
    end: int
    """Index in the buffer behind the last token."""
    base: int = 0
    """Position of ``buffer[0]`` since the first token of the search."""
    origins: Tensor | None = None
    is_own: bool = True
    """Whether nobody else reads the buffer."""
    _is_continued: bool = field(default=False, init=False)

    @classmethod
    def of(cls, heads: Tensor) -> PastTokens:
        """Return the tokens of a first call, (R, H, L, D), without a copy."""
        rows, _, length, _ = heads.shape
        return cls(heads.permute(2, 0, 1, 3), rows, 0, length, is_own=False)

    @property
    def heads(self) -> Tensor:
        """All tokens that are kept, (R, H, L, D), in place: they are right until the next call."""
        return self._kept.permute(1, 2, 0, 3)

    @property
    def _kept(self) -> Tensor:
        """The same, (L, R, H, D)."""
        return self.buffer[self.start : self.end, : self.rows]

    def append(self, new: Tensor) -> PastTokens:
        """Write the tokens of a step, (R, H, n, D), behind the others."""
        self._continue()
        if torch.is_grad_enabled():
            # Gradients need the tokens of earlier steps as they were.
            return PastTokens.of(torch.cat((self.heads, new), dim=2))
        count = new.size(2)
        past = self if self.end + count <= len(self.buffer) else self._with_room(count)
        end = past.end + count
        past.buffer[past.end : end, : self.rows] = new.permute(2, 0, 1, 3)
        return replace(past, end=end)

    def reorder(self, new_order: Tensor) -> PastTokens:
        """Follow a beam search: row r becomes row ``new_order[r]``."""
        self._continue()
        if torch.is_grad_enabled():
            return PastTokens.of(self.heads.index_select(0, new_order))
        if self.buffer.device.type != "cpu":
            # Which tokens differ, the host would have to wait for.
            return self._copy(new_order, None)
        moves = find_moves(self.origins, self.rows, self.base + self.end, new_order)
        if moves.tokens is None or not self.is_own:
            return self._copy(new_order, moves.origins)
        self._move(*moves.tokens)
        return replace(self, rows=len(new_order), origins=moves.origins)

    def keep_last(self, count: int) -> PastTokens:
        """Forget all tokens but the last ``count``."""
        return replace(self, start=max(self.start, self.end - count))

    def _continue(self) -> None:
        if self._is_continued:
            raise RuntimeError(
                "A cache must be continued once (`copy.deepcopy` makes another one), but is "
                "continued again."
            )
        self._is_continued = True

    def _with_room(self, count: int) -> PastTokens:
        """Return a copy of the tokens in a buffer with room for as many again."""
        needed = self.end - self.start + count
        buffer = self._empty(max(_MIN_CAPACITY, 2 * needed), self.rows)
        buffer[: self.end - self.start] = self._kept
        return self._at_start_of(buffer)

    def _copy(self, order: Tensor, origins: Tensor | None) -> PastTokens:
        """Return a copy of all tokens in their new order."""
        buffer = self._empty(len(self.buffer), len(order))
        torch.index_select(self._kept, 1, order, out=buffer[: self.end - self.start])
        return replace(self._at_start_of(buffer), rows=len(order), origins=origins)

    def _empty(self, capacity: int, rows: int) -> Tensor:
        return self.buffer.new_empty(capacity, rows, *self.buffer.shape[2:])

    def _at_start_of(self, buffer: Tensor) -> PastTokens:
        length, base = self.end - self.start, self.base + self.start
        return replace(self, buffer=buffer, start=0, end=length, base=base, is_own=True)

    def _move(self, position: Tensor, source: Tensor, target: Tensor) -> None:
        """Move tokens within the buffer, all at once, from row ``source`` to row ``target``."""
        if self.base + self.start > 0:
            is_kept = position >= self.base + self.start
            position, source, target = position[is_kept], source[is_kept], target[is_kept]
        # (capacity, R0, H, D) -> (capacity * R0, H * D)
        tokens = self.buffer.flatten(2).flatten(0, 1)
        first = (position - self.base) * self.buffer.size(1)
        tokens.index_copy_(0, first + target, tokens.index_select(0, first + source))


class Moves(NamedTuple):
    """What a new order of the rows means for their tokens.

    Shape:
        - origins: (R, L), see :class:`PastTokens`, in the new order
        - tokens: three times (N), for each token that a row does not have yet: its position, the
          row that has it, and the row that needs it; None = more than half of all
    """

    origins: Tensor
    tokens: tuple[Tensor, Tensor, Tensor] | None


def find_moves(origins: Tensor | None, rows: int, length: int, order: Tensor) -> Moves:
    """Return which tokens have to move.

    Args:
        origins: see :class:`PastTokens`.
        rows: rows R0 so far.
        length: tokens of each row.
        order: (R), which row each new one comes from.
    """
    if order.is_inference():
        return _find_moves(origins, rows, length, order)
    return _find_moves_once(origins, rows, length, order, order._version)


# More than one, as keys of the source may move beside those of the target.
@lru_cache(maxsize=4)
def _find_moves_once(
    origins: Tensor | None, rows: int, length: int, order: Tensor, _version: int
) -> Moves:
    """Do it once for all layers, which follow the same order and so share their origins."""
    return _find_moves(origins, rows, length, order)


def _find_moves(origins: Tensor | None, rows: int, length: int, order: Tensor) -> Moves:
    before = torch.arange(rows).unsqueeze(1).expand(-1, length)
    if origins is not None:
        before = torch.cat((origins, before[:, origins.size(1) :]), dim=1)
    after = before.index_select(0, order)
    if len(order) <= rows:
        # (R, L) -> (L, R), so that what is close in memory moves together
        position, target = (after != before[: len(order)]).T.nonzero(as_tuple=True)
        if 2 * len(position) <= after.numel():
            return Moves(after, (position, order[target], target))
    return Moves(after, None)

"""Reading a sequence between its tokens: the interpolation kernel G of Equation 4.

G(k, p) = max(0, 1 - |k - p|) is zero but for the two tokens around p, so that reading costs two
gathers a position, whatever the length, and no (L, L) matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class TokenTable(NamedTuple):
    """The tokens of all sentences of a batch as rows of one matrix.

    Shape:
        - rows: (R, C)
        - place: (B, L), the row of each token; None = token k of sentence b is row k * B + b
    """

    rows: Tensor
    place: Tensor | None
    length: int
    """Tokens of each sentence, padding included."""

    @classmethod
    def of(cls, x: Tensor) -> TokenTable:
        """Take a batch with the time first, (L, B, C)."""
        return cls(x.flatten(0, 1), None, len(x))

    def find(self, token: Tensor) -> Tensor:
        """Return the rows of tokens: (Lq, B, ...) -> (Lq, B, ...)."""
        batch = token.size(1)
        sentence = torch.arange(batch, device=token.device).view(-1, *[1] * (token.dim() - 2))
        return token * batch + sentence if self.place is None else self.place[sentence, token]


def neighbours(position: Tensor, *, length: int, last: Tensor | int) -> tuple[Tensor, Tensor]:
    """Return the two tokens around each position, and G of each: zero where it may not be read.

    At an integer the gradient with respect to the position is that of its right side, as usual for
    deformable convolution.

    Shape:
        - position: (Lq, B, K), in tokens, float32 at least: half precision has no 2,049
        - length: number of tokens L; last: the last one that may be read, (Lq, 1, 1) or a number
        - tokens, shares: (Lq, B, K, 2); a token that may not be read is given as 0
    """
    # Beyond these two nothing can be read; a far position would not fit into an integer.
    position = position.clamp(-1, length)
    left = position.detach().floor()
    to_the_right = position - left
    token = torch.stack((left, left + 1), dim=-1).long()
    share = torch.stack((1 - to_the_right, to_the_right), dim=-1)
    limit = last.unsqueeze(-1) if isinstance(last, Tensor) else last
    allowed = (token >= 0) & (token <= limit)
    # A product and no mask: an offset that is not a number must show in the output.
    return torch.where(allowed, token, 0), share * allowed


def read_between(table: TokenTable, token: Tensor, share: Tensor) -> Tensor:
    """Return the sum over both neighbours of share . x_token.

    Shape:
        - token, share: (Lq, B, K, 2)
        - output: (Lq, B, K, C)
    """
    # The fused form of gathering both and adding them up: it keeps no copy of what was gathered.
    read = F.embedding_bag(
        table.find(token).flatten(0, -2),
        table.rows,
        per_sample_weights=share.to(table.rows.dtype).flatten(0, -2),
        mode="sum",
    )
    return read.view(*token.shape[:-1], -1)

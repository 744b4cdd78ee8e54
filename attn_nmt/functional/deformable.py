"""Interpolated reading between tokens: the kernel G of Equation 4.

G(k, p) = max(0, 1 - |k - p|) is zero but for the two tokens around p, so a reading costs two
gathers per position whatever the length, and no (L, L) matrix.
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
        - row_ids: (B, L), the row of each token; None = token k of sentence b is row k * B + b
    """

    rows: Tensor
    row_ids: Tensor | None
    length: int
    """Tokens of each sentence, padding included."""

    @classmethod
    def from_batch(cls, x: Tensor) -> TokenTable:
        """Take a batch with the time first, (L, B, C)."""
        return cls(x.flatten(0, 1), None, len(x))

    def row_of(self, token: Tensor) -> Tensor:
        """Return the rows of tokens: (Lq, B, ...) -> (Lq, B, ...)."""
        batch = token.size(1)
        sentence = torch.arange(batch, device=token.device).view(-1, *[1] * (token.dim() - 2))
        return token * batch + sentence if self.row_ids is None else self.row_ids[sentence, token]


def neighbours(position: Tensor, *, length: int, last: Tensor | int) -> tuple[Tensor, Tensor]:
    """Return the two tokens around each position, and the weight G of each.

    The weight is zero where the token may not be read. At an integer the gradient with respect to
    the position is that of its right side, as usual for deformable convolution.

    Args:
        length: number of tokens L.
        last: the last token that may be read, a number or (Lq, 1, 1).

    Shape:
        - position: (Lq, B, K), in tokens, float32 at least: half precision has no 2,049
        - tokens, weights: (Lq, B, K, 2); a token that may not be read is given as 0
    """
    # Beyond these two nothing can be read, and a far position would overflow an integer.
    position = position.clamp(-1, length)
    left = position.detach().floor()
    right_weight = position - left
    token = torch.stack((left, left + 1), dim=-1).long()
    weight = torch.stack((1 - right_weight, right_weight), dim=-1)
    limit = last.unsqueeze(-1) if isinstance(last, Tensor) else last
    allowed = (token >= 0) & (token <= limit)
    # A product rather than a mask: an offset that is NaN must show in the output.
    return torch.where(allowed, token, 0), weight * allowed


def gather_interpolated(table: TokenTable, token: Tensor, weight: Tensor) -> Tensor:
    """Return the sum over both neighbours of weight . x_token.

    Shape:
        - token, weight: (Lq, B, K, 2)
        - output: (Lq, B, K, C)
    """
    rows = table.rows
    if rows.device.type != "cpu" and rows.dtype == torch.bfloat16:
        # There the gradient of the weights does not exist in bfloat16.
        rows = rows.float()
    # Gathers both and adds them up in one pass, and keeps no copy of what it gathered.
    output = F.embedding_bag(
        table.row_of(token).flatten(0, -2),
        rows,
        per_sample_weights=weight.to(rows.dtype).flatten(0, -2),
        mode="sum",
    )
    return output.to(table.rows.dtype).view(*token.shape[:-1], -1)

"""The projected encodings of distances, r_proj R_d, kept between steps in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attn_nmt.functional.relative_position import relative_encoding


class PositionTable:
    """Projects the encodings of a range of distances; remembers them where nothing can change.

    With gradients switched off, one table serves every sentence and every decoding step, until the
    weight changes or a distance falls outside. It is no part of a module's state.
    """

    def __init__(self) -> None:
        self._table: Tensor | None = None
        self._reach = 0
        self._made_of: tuple[object, ...] = ()

    def project(self, r_proj: nn.Linear, first: int, count: int) -> Tensor:
        """Return r_proj R_d for d = first, first + 1, ...

        Shape:
            - output: (count, C)
        """
        weight = r_proj.weight
        # A weight made in inference mode does not tell when it changes.
        if torch.is_grad_enabled() or weight.is_inference():
            return _project(r_proj, first, count)
        made_of = (id(weight), weight._version, weight.data_ptr(), weight.dtype, weight.device)
        reach = max(-first, first + count - 1)
        if self._table is None or made_of != self._made_of or reach > self._reach:
            # Twice as far as asked, so that decoding does not make a new table at every step.
            self._reach, self._made_of = 2 * reach + 1, made_of
            self._table = _project(r_proj, -self._reach, 2 * self._reach + 1)
        start = first + self._reach
        return self._table[start : start + count]


def _project(r_proj: nn.Linear, first: int, count: int) -> Tensor:
    weight = r_proj.weight
    distances = torch.arange(first, first + count, device=weight.device)
    projected: Tensor = r_proj(relative_encoding(distances, weight.size(1), weight.dtype))
    return projected

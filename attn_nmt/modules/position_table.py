"""The projected encodings of distances, r_proj R_d, which a search keeps in its cache.

They belong to the search and not to the module: nothing tells a module that its weights have
changed (fairseq's optimizers write to ``parameter.data``), but no search outlives them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attn_nmt.functional.relative_position import relative_encoding


def project_range(r_proj: nn.Linear, first: int, count: int) -> Tensor:
    """Return r_proj R_d of the distances first, first + 1, ...: (count, C)."""
    weight = r_proj.weight
    distances = torch.arange(first, first + count, device=weight.device)
    projected: Tensor = r_proj(relative_encoding(distances, weight.size(1), weight.dtype))
    return projected


def table_reaching(table: Tensor | None, r_proj: nn.Linear, reach: int) -> Tensor:
    """Return the table, or one that reaches as far as asked.

    Shape:
        - table, output: (2 n + 1, C), the distances -n to n for some n >= ``reach``, in tokens
    """
    if table is not None and len(table) // 2 >= reach:
        return table
    # Twice as far as asked, so that decoding does not make a new table at every step.
    farthest = 2 * reach + 1
    return project_range(r_proj, -farthest, 2 * farthest + 1)


def from_table(table: Tensor, first: int, count: int) -> Tensor:
    """Return the rows of the distances first, first + 1, ...: (count, C), a view."""
    start = first + len(table) // 2
    return table[start : start + count]

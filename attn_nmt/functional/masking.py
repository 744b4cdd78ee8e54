"""Which keys a query may see. In every mask here True means blocked."""

from __future__ import annotations

import torch
from torch import Tensor


def out_of_reach(
    query_length: int,
    key_length: int,
    *,
    query_offset: int,
    backward: int | None,
    forward: int | None,
    device: torch.device,
) -> Tensor | None:
    """Block the keys at a distance d = j - i below ``-backward`` or above ``forward``, in tokens.

    None sets no limit on that side; the result is None where nothing is blocked, as in the usual
    decoding step of one token over its past.

    Shape:
        - output: (Lq, Lk), True = blocked
    """
    last_query = query_offset + query_length - 1
    too_far_back = backward is not None and last_query > backward
    too_far_ahead = forward is not None and key_length - 1 - query_offset > forward
    if not too_far_back and not too_far_ahead:
        return None
    keys = torch.arange(key_length, device=device)
    queries = torch.arange(query_offset, query_offset + query_length, device=device)
    # (1, Lk) - (Lq, 1) = (Lq, Lk)
    distance = keys.unsqueeze(0) - queries.unsqueeze(1)
    blocked = torch.zeros_like(distance, dtype=torch.bool)
    if backward is not None:
        blocked |= distance < -backward
    if forward is not None:
        blocked |= distance > forward
    return blocked


def either_blocked(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Join two masks that broadcast against each other; None blocks nothing."""
    if first is None or second is None:
        return second if first is None else first
    return first | second


def masked_softmax(energy: Tensor, blocked: Tensor | None) -> Tensor:
    """Softmax over the allowed keys; a query with none gets zeros, and no NaN in its gradient.

    Half precision is summed in float32 and the result returned in the energy's own type.

    Shape:
        - energy: (..., Lq, Lk); blocked: broadcastable against it, True = blocked
        - output: what the two broadcast to
    """
    precise = energy.to(torch.promote_types(energy.dtype, torch.float32))
    if blocked is None:
        return precise.softmax(-1).to(energy.dtype)
    # The lowest finite number rather than -inf: a row of -inf alone would give NaN.
    weights = torch.where(blocked, torch.finfo(precise.dtype).min, precise).softmax(-1)
    return weights.masked_fill(blocked, 0.0).to(energy.dtype)

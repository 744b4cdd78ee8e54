"""What a module keeps between decoding steps, in fairseq's ``incremental_state``."""

from __future__ import annotations

import itertools
from typing import Any, Protocol, Self

from torch import Tensor, nn

IncrementalState = dict[str, Any]
"""The caches of all modules of a decoder, by a name of the module's own."""

_serial = itertools.count()


class Cache(Protocol):
    """What a module keeps: tensors and numbers that can follow a beam search."""

    def reorder(self, new_order: Tensor) -> Self:
        """Return the cache whose row b is row ``new_order[b]`` of this one."""
        ...


class IncrementalModule(nn.Module):
    """A module with a cache of its own; fairseq's decoder finds and reorders it by method name."""

    causal: bool

    def __init__(self) -> None:
        super().__init__()
        # The dictionary is shared by all modules of a decoder, so each needs a name of its own.
        self._cache_name = f"{type(self).__name__}.{next(_serial)}"

    def load_cache(self, incremental_state: IncrementalState | None) -> Any:
        """Return what the last call stored; None before the first one."""
        return None if incremental_state is None else incremental_state.get(self._cache_name)

    def store_cache(self, incremental_state: IncrementalState | None, cache: Cache) -> None:
        """Keep ``cache`` for the next call; without ``incremental_state``, do nothing."""
        if incremental_state is not None:
            incremental_state[self._cache_name] = cache

    def require_causal(self, incremental_state: IncrementalState | None) -> None:
        """Refuse to decode step by step with a module that would have to see later steps.

        Raises:
            ValueError: if ``incremental_state`` is given to a module that is not causal.
        """
        if incremental_state is not None and not self.causal:
            raise ValueError("`incremental_state` must be None unless `causal` is True.")

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor
    ) -> IncrementalState:
        """Follow a beam search: row b of the cache becomes row ``new_order[b]``.

        Rows may be repeated and dropped.
        """
        cache = self.load_cache(incremental_state)
        if cache is not None:
            self.store_cache(incremental_state, cache.reorder(new_order))
        return incremental_state

"""What a module remembers between decoding steps, in fairseq's ``incremental_state``."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from attn_nmt.modules.history import ORDER

State = dict[str, Tensor | None]
IncrementalState = dict[str, State]

_serial = itertools.count()


class IncrementalModule(nn.Module):
    """A module with a cache of its own; fairseq's decoder finds and reorders it by method name.

    Its layers also call ``_get_input_buffer`` and ``_set_input_buffer`` by these names.

    Every tensor in the cache has the batch as its first axis, except those named in
    ``SHARED_STATE``, which belong to the whole batch and are never reordered, and those in
    ``LATE_STATE``, whose rows the module moves itself when it needs them; see
    :mod:`attn_nmt.modules.history`.
    """

    SHARED_STATE: tuple[str, ...] = ()
    LATE_STATE: tuple[str, ...] = ()
    causal: bool

    def __init__(self) -> None:
        super().__init__()
        # The dictionary is shared by all modules of a decoder, so each needs a name of its own.
        self._state_name = f"{type(self).__name__}.{next(_serial)}"

    def _get_input_buffer(self, incremental_state: IncrementalState | None) -> State:
        if incremental_state is None:
            return {}
        return incremental_state.get(self._state_name, {})

    def _set_input_buffer(self, incremental_state: IncrementalState | None, state: State) -> None:
        if incremental_state is not None:
            incremental_state[self._state_name] = state

    def require_causal(self, incremental_state: IncrementalState | None) -> None:
        """Refuse to go on step by step with a module that would have to know the next steps.

        Raises:
            ValueError: if ``incremental_state`` is given to a module that is not causal.
        """
        if incremental_state is not None and not self.causal:
            raise ValueError("`incremental_state` must be None unless `causal` is True.")

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor
    ) -> IncrementalState:
        """Follow the beam search: row b of the cache becomes row ``new_order[b]``.

        Rows may be repeated and dropped.
        """
        state = self._get_input_buffer(incremental_state)
        if state:
            reordered = {
                name: tensor
                if tensor is None or name in (*self.SHARED_STATE, *self.LATE_STATE)
                else tensor.index_select(0, new_order)
                for name, tensor in state.items()
            }
            if any(name in state for name in self.LATE_STATE):
                reordered.setdefault(ORDER, new_order)
            self._set_input_buffer(incremental_state, reordered)
        return incremental_state

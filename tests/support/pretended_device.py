"""A device that is not there: tensors that say they lie on it, and are computed on the CPU.

It finds on any machine what otherwise needs a GPU: operations that mix tensors of both devices, and
places where the CPU would wait for the results of the GPU. The device is called ``meta``, the only
one besides the CPU for which autograd works without hardware; what asks whether a tensor lies on
the CPU takes its way for other devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("meta")
WAITS = frozenset(
    {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "unique_consecutive", "_unique2"}
    | {"unique_dim", "masked_select", "repeat_interleave"}
)
"""Operations whose result the CPU has to know, so that a GPU would have to finish first."""


class Pretended(Tensor):
    """Wraps a tensor of the CPU; has its values, and another device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Pretended:
        wrapped: Pretended = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        wrapped.inner = inner
        return wrapped

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Pretended({self.inner})"

    def tolist(self) -> Any:
        Waits.count("tolist")
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        return _run(function, arguments, options or {})


def _run(function: Any, arguments: Any, options: dict[str, Any]) -> Any:
    """Compute on the CPU.

    Raises:
        AssertionError: if tensors of both devices are mixed, but for numbers, which GPUs accept.
    """
    name = function.overloadpacket.__name__
    tensors = [x for x in tree_leaves((arguments, options)) if isinstance(x, Tensor)]
    ours = [x for x in tensors if isinstance(x, Pretended)]
    target = options.get("device")
    copies = name in ("_to_copy", "copy_")
    if ours and not copies:
        others = [x for x in tensors if not isinstance(x, Pretended) and x.dim() > 0]
        indexed = name.startswith(("index", "_unsafe_index"))  # by indices of the CPU, copied
        assert not others or indexed, f"{name} mixes devices"
    inner_options = {**options, "device": torch.device("cpu")} if target is not None else options
    unwrap = lambda x: tree_map_only(Pretended, lambda tensor: tensor.inner, x)  # noqa: E731
    result = function(*unwrap(arguments), **unwrap(inner_options))
    to_cpu = target is not None and torch.device(target).type == "cpu"
    if (name in WAITS and ours) or (name == "_to_copy" and ours and to_cpu):
        Waits.count(name)
    if name == "copy_":
        return arguments[0]
    on_device = (ours and not to_cpu) or (target is not None and torch.device(target) == DEVICE)
    if not on_device:
        return result
    wrapped = tree_map_only(Tensor, Pretended, result)
    return return_and_correct_aliasing(function, arguments, options, wrapped) if ours else wrapped


class Waits(TorchDispatchMode):
    """Within it, new tensors can be made on the device; ``counts`` has the waits for it."""

    active: ClassVar[list[Waits]] = []

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    @classmethod
    def count(cls, name: str) -> None:
        for waits in cls.active:
            waits.counts[name] += 1

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        return _run(function, arguments, options or {})


@contextmanager
def pretended_device() -> Iterator[Counter[str]]:
    """Let the device exist; yield the counts of the waits for it."""
    mode = Waits()
    Waits.active.append(mode)
    try:
        with mode:
            yield mode.counts
    finally:
        Waits.active.remove(mode)


def to_device(model: nn.Module) -> nn.Module:
    """Move a model's parameters, of which modules may share some, and its buffers."""
    moved: dict[Tensor, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if parameter not in moved:
                    moved[parameter] = nn.Parameter(Pretended(parameter.detach()))
                module._parameters[name] = moved[parameter]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = Pretended(buffer)
    return model

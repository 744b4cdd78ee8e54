"""Matrix products in 8 bits, for translating on a CPU: weights per channel, activations per row.

Rounding each row by itself keeps a translation independent of the sentences beside it, which one
scale for a whole batch would not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

_WEIGHT_STEPS = 127
# Zero has no reciprocal.
_MIN_SCALE = 1e-30
# bias, scale and zero of the output, its type, and the operation behind the product
_PLAIN_OUTPUT: tuple[Any, ...] = (None, 1.0, 0, torch.float32, "none", [], "")
# Large enough for the kernels that a model's products use.
_TESTED_ROWS, _TESTED_SIZE = 64, 512


@runtime_checkable
class Quantizable(Protocol):
    """A module that can multiply in 8 bits."""

    def quantize_(self) -> None:
        """Round the weight as it is now; later changes of it are not seen."""


def quantize_(model: nn.Module) -> None:
    """Have the modules of ``model`` multiply in 8 bits wherever no gradient is asked for.

    The weights are rounded once, as they are now; parameters and checkpoints stay as they are.

    Raises:
        ValueError: if a parameter is not float32 on a CPU, or this PyTorch has no such products.
    """
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            raise ValueError(
                f"8-bit products need float32 weights on a CPU, but {name} is {parameter.dtype} on "
                f"{parameter.device.type} instead."
            )
    if activation_steps() is None:
        raise ValueError(
            f"8-bit products need oneDNN, which PyTorch {torch.__version__} lacks here."
        )
    for module in model.modules():
        if isinstance(module, Quantizable):
            module.quantize_()


class Int8Product:
    """x W^T + b of a fixed weight, in whole numbers between the two roundings.

    A channel of W whose largest magnitude is w is rounded to multiples of w / 127. A row of x with
    a is rounded to multiples of a / 127, or of a / 63 on processors that add pairs of products in
    16 bits. Sums are exact, so that no row depends on another one.

    Args:
        weight: (N, K), float32 on a CPU.
        bias: (N), or None for none.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        weight = weight.detach()
        self._weight_scales = weight.abs().amax(1).div_(_WEIGHT_STEPS).clamp_min_(_MIN_SCALE)
        self._packed = _pack(_rounded(weight, self._weight_scales[:, None]))
        self._bias = None if bias is None else bias.detach()
        steps = activation_steps()
        assert steps is not None, "quantize_ has asked"
        self._steps = steps

    def __deepcopy__(self, memo: dict[int, Any]) -> Int8Product:
        """Return itself: nothing in it changes, and PyTorch cannot copy the packed weight."""
        return self

    def __call__(self, x: Tensor) -> Tensor:
        """Return x W^T + b: (..., K) -> (..., N)."""
        rows = x.reshape(-1, x.size(-1))
        scales = rows.abs().amax(1, keepdim=True).div_(self._steps).clamp_min_(_MIN_SCALE)
        rounded = _rounded(rows, scales)
        output = _multiply(rounded, self._steps, self._packed, self._weight_scales).mul_(scales)
        if self._bias is not None:
            output.add_(self._bias)
        return output.view(*x.shape[:-1], len(self._weight_scales))


@cache
def activation_steps() -> int | None:
    """Return what the largest magnitude of a row is rounded to: 127, or 63.

    63 where 127 would overflow. That is found by a product of the largest numbers, since the name
    of a processor does not say which instructions oneDNN uses. None where it has no such products.
    """
    size = _TESTED_SIZE
    try:
        largest = torch.full((size, size), _WEIGHT_STEPS, dtype=torch.int8)
        packed, scales = _pack(largest), torch.ones(size)
        for steps in (127, 63):
            rows = torch.full((_TESTED_ROWS, size), steps, dtype=torch.int8)
            if _multiply(rows, steps, packed, scales).eq(_WEIGHT_STEPS * steps * size).all():
                return steps
    except (AttributeError, RuntimeError):  # a build without oneDNN
        pass
    return None


def _rounded(x: Tensor, scale: Tensor) -> Tensor:
    """Return x in steps of ``scale``, as int8."""
    return (x * scale.reciprocal()).round_().to(torch.int8)


def _pack(weight: Tensor) -> Tensor:
    """Return an int8 weight (N, K) in the layout of the products."""
    packed: Tensor = torch.ops.onednn.qlinear_prepack(weight, None)
    return packed


def _multiply(rows: Tensor, steps: int, packed: Tensor, weight_scales: Tensor) -> Tensor:
    """Return rows W^T in float32, each channel by its scale: (M, K) of int8 -> (M, N).

    The fast products take numbers without a sign, and which of them stands for zero: with steps
    from -63 to 63 they are below 128, so that no pair of products leaves 16 bits. ``rows`` is
    overwritten.
    """
    if len(rows) == 0:
        return weight_scales.new_empty(0, len(weight_scales))
    zero = steps + 1
    # Modulo 256, the two's complement of a negative number is the number.
    unsigned = rows.view(torch.uint8).add_(zero)
    zeros = torch.zeros_like(weight_scales, dtype=torch.int64)
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        unsigned, 1.0, zero, packed, weight_scales, zeros, *_PLAIN_OUTPUT
    )
    return product

"""Whether the settings in a checkpoint describe the weights beside them.

Settings can ask for a model of any size. So the model that they describe is built without memory
and compared with the tensors in the file, whose size is known.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_REGISTRY
from omegaconf import OmegaConf
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_nmt.checkpoints.rules import described, mapping
from attn_nmt.models.config import AttnTransformerConfig

_MAX_POSITIONS = 1 << 17
_MAX_PROBLEM = 300
_MIN_TENSOR = 10_000


def check_model_size(settings: dict[str, Any] | Namespace, model: dict[str, Tensor]) -> None:
    """Require the settings to describe the tensors in the file, before memory is used for them.

    The model is built without memory, on PyTorch's "meta" device. Layers are counted first.

    Raises:
        ValueError: naming the setting or tensor that does not fit, or why there is no such model.
    """
    values = mapping(settings, "model")
    tables = {}
    for side in ("encoder", "decoder"):
        name, prefix = f"{side}_layers", f"{side}.layers."
        layers = {key.split(".")[2] for key in model if key.startswith(prefix)}
        if values.get(name, len(layers)) != len(layers):
            raise ValueError(
                f"`{name}` must be {len(layers)}, as many as there are in the file, but is "
                f"{described(values[name])}"
            )
        tables[side] = model.get(f"{side}.embed_tokens.weight")
    for name in ("max_source_positions", "max_target_positions"):
        if (values.get(name) or 0) > _MAX_POSITIONS:
            raise ValueError(f"`{name}` must be at most {_MAX_POSITIONS}, but is {values[name]}")
    sizes = [0 if table is None or table.dim() != 2 else len(table) for table in tables.values()]
    source, target = map(_Symbols, sizes)
    task = Namespace(source_dictionary=source, target_dictionary=target, cfg=Namespace())
    name = values.get("_name") or values["arch"]
    asked: Any = Namespace(**values)
    if not isinstance(settings, Namespace):
        off = {"compile_layers": False, "checkpoint_activations": False}
        asked = OmegaConf.create({**AttnTransformerConfig.defaults(), **values, **off})
    try:
        with torch.device("meta"), _WithoutDraws():
            built = ARCH_MODEL_REGISTRY[name].build_model(asked, task)
    except Exception as error:  # whatever impossible settings provoke in fairseq
        raise ValueError(
            f"a model must be built from them, but: {str(error)[:_MAX_PROBLEM]}"
        ) from None
    for name, tensor in built.state_dict().items():
        found = model.get(name)
        if found is not None and found.shape != tensor.shape:
            raise ValueError(
                f"{name} must be {tuple(tensor.shape)}, as they say, but is {tuple(found.shape)}"
            )
        if found is None and tensor.numel() > _MIN_TENSOR:
            raise ValueError(f"{name} must be in the file, as they say, but is not")


class _Symbols(Dictionary):  # type: ignore[misc]
    """A dictionary of which only the size counts."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Symbols) and self.size == other.size

    __hash__ = None  # type: ignore[assignment]


class _WithoutDraws(TorchFunctionMode):
    """Leave out the random numbers of new parameters: on "meta" they import torch.compile."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)

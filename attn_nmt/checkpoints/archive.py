"""Reading the file of a checkpoint that a stranger may have made, or a disk damaged.

A checkpoint is a zip archive: ``data.pkl``, a pickle, says what there is, and one record for each
storage holds the numbers. ``torch.load`` refuses a pickle that would run code, but does not check
the CRC of the records.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attn_nmt.command_line import UsageError

_CHUNK = 1 << 24
_MAX_PICKLE = 1 << 22
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_STORAGE = re.compile(r"[^/]*/data/[^/]+")
# torch.load would run it: a few bytes of pickle that reserve any amount of memory.
_REFUSED_GLOBALS = {"builtins.bytearray", "__builtin__.bytearray"}


def read(path: Path) -> Any:
    """Return the content of a checkpoint, with its tensors on the CPU.

    Raises:
        UsageError: if the file is incomplete or damaged, or holds anything that is not declared
            safe, or tensors that are not stored in full. None of its code has run then, and not
            much more memory than the size of the file has been used.
    """
    try:
        sizes = _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, NotImplementedError) as error:
        raise UsageError(_damaged(path, error)) from None
    except _UNPICKLING_ERRORS as error:
        raise UsageError(_refused(path, error)) from None
    _check_storages(path, state, sizes)
    return state


# What a pickle can provoke in the functions that it may call.
_UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)


def check_weights(path: Path, model: dict[str, Tensor]) -> None:
    """Refuse weights that are not numbers, or of a type that no model of fairseq has.

    Raises:
        UsageError: naming the first tensor of such a type, or with a NaN or an infinity.
    """
    for name, tensor in model.items():
        if tensor.is_floating_point() and tensor.dtype not in _FLOATS:
            raise UsageError(
                f"{path} must hold weights of 16 bits or more, but {name} is {tensor.dtype}."
            )
        if tensor.is_floating_point() and tensor.numel():
            # Both are NaN if one element is; nothing of the tensor's size is allocated.
            low, high = torch.aminmax(tensor.detach())
            if not (torch.isfinite(low) and torch.isfinite(high)):
                raise UsageError(
                    f"{path} must hold finite weights, but {name} holds a NaN or an infinity."
                )


def _check_archive(path: Path) -> list[int]:
    """Read every record once, for its CRC, and return the sizes of the storages in bytes."""
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        names = Counter(record.filename for record in records)
        for record in records:
            if names[record.filename] > 1:
                raise zipfile.BadZipFile(f"it holds two records {record.filename}")
            if record.compress_type != zipfile.ZIP_STORED or record.file_size > path.stat().st_size:
                raise zipfile.BadZipFile(f"the record {record.filename} is compressed")
            with archive.open(record) as file:
                while file.read(_CHUNK):
                    pass
        pickles = [record for record in records if record.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise zipfile.BadZipFile("it has no data.pkl")
        if pickles[0].file_size > _MAX_PICKLE:
            raise zipfile.BadZipFile(f"its data.pkl has more than {_MAX_PICKLE} bytes")
        refused = _REFUSED_GLOBALS & _globals(archive.read(pickles[0]))
        if refused:
            raise pickle.UnpicklingError(*refused)
    return [record.file_size for record in records if _STORAGE.fullmatch(record.filename)]


def _globals(data: bytes) -> set[str]:
    """Return what a pickle imports, as "module.name"."""
    found, strings = set(), ["", ""]
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL" and isinstance(argument, str):
            found.add(argument.replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.add(".".join(strings))
        elif isinstance(argument, str):
            strings = [strings[1], argument]
    return found


def _check_storages(path: Path, state: Any, sizes: list[int]) -> None:
    """Require each tensor to lie within its storage, and the storages to be the records.

    Otherwise a tensor could be larger than the file, or show memory beyond its record.

    Raises:
        UsageError: with what is wrong.
    """
    rule = f"{path} must hold every tensor in full, but holds"
    storages: dict[int, int] = {}
    for tensor in _tensors(state):
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise UsageError(f"{rule} one that is not an array in memory.")
        storage = tensor.untyped_storage()
        if tensor.numel() * tensor.element_size() > storage.nbytes():
            raise UsageError(f"{rule} one that is larger than its storage.")
        storages[storage.data_ptr()] = storage.nbytes()
    if Counter(filter(None, storages.values())) != Counter(filter(None, sizes)):
        raise UsageError(f"{rule} storages of other sizes than its records.")


def _tensors(state: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested containers and attributes, each object once."""
    pending, seen = [state], set()
    while pending:
        value = pending.pop()
        if isinstance(value, Tensor):
            yield value
            continue
        if value is None or isinstance(value, (str, bytes, bool, int, float)):
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set)):
            pending += value
        pending += getattr(value, "__dict__", {}).values()


def _damaged(path: Path, error: Exception) -> str:
    if not zipfile.is_zipfile(path) and _is_bare_pickle(path):
        return _refused(path, pickle.UnpicklingError("a pickle of another kind"))
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return f"{path} must be a complete checkpoint, but cannot be read: {reason}"


def _is_bare_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == pickle.PROTO


def _refused(path: Path, error: Exception) -> str:
    try:
        unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # whatever a damaged or hostile file provokes in the reader
        unsafe = []
    content = ", ".join(unsafe) or next(iter(str(error).splitlines()), "") or type(error).__name__
    if isinstance(error, pickle.UnpicklingError) and not unsafe and "Weights only" in content:
        content = "a pickle of another kind"
    return (
        f"{path} must hold nothing but tensors, numbers and fairseq's settings, but holds "
        f"{content}; loading it could run somebody else's code, so it was refused."
    )

"""A user's own grid: a YAML file with flags for all cells, and lists of flags that multiply.

::

    base: {deformable_kernel_size: 3}
    vary:
      self_attn_terms: ["1111", "0110"]
      encoder_layers: [2, 4]

are four cells. Names are those of the flags, with underscores.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from fairseq.dataclass.utils import interpret_dc_type
from omegaconf import OmegaConf
from yaml import YAMLError

from attn_nmt.command_line import UsageError
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.grids.settings import MODEL_FIELDS, Cell, require_known

SECTIONS = ("base", "vary")
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


def read_grid(path: Path) -> list[Cell]:
    """Return one cell for each combination of the lists, the last one varying fastest.

    Raises:
        UsageError: naming the file, the rule and the value found.
    """
    content = _content(path)
    for section in content:
        require_known(f"a section of {path}", section, SECTIONS)
    base, vary = (_flags(path, section, content.get(section)) for section in SECTIONS)
    if both := sorted(set(base) & set(vary)):
        raise UsageError(f"{path} must have a flag in one section, but has {both[0]} in both.")
    for name, value in base.items():
        _require_type(path, name, value)
    for name, values in vary.items():
        _require_list(path, name, values)
    return [
        _cell(base, dict(zip(vary, chosen, strict=True)))
        for chosen in itertools.product(*vary.values())
    ]


def _cell(base: dict[str, Any], chosen: dict[str, Any]) -> Cell:
    name = "+".join(f"{flag}={value}" for flag, value in chosen.items())
    return Cell(name or "base", {**base, **chosen})


def _content(path: Path) -> dict[str, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, UnicodeDecodeError) as error:
        problem = str(error).replace("\n", " ")
        raise UsageError(f"{path} must be YAML, but is not: {problem}.") from error
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{path} must have the sections base and vary, but has none.")
    return {str(section): value for section, value in content.items()}


def _flags(path: Path, section: str, flags: Any) -> dict[str, Any]:
    if flags is None:
        return {}
    if not isinstance(flags, dict):
        raise UsageError(f"{section} of {path} must be flags with values, but is {flags!r}.")
    for name in flags:
        require_known(f"a flag in {section} of {path}", str(name), MODEL_FIELDS)
    return {str(name): value for name, value in flags.items()}


def _require_list(path: Path, name: str, values: Any) -> None:
    if not isinstance(values, list) or not values:
        raise UsageError(f"{name} in vary of {path} must be a list of values, but is {values!r}.")
    for value in values:
        _require_type(path, name, value)
    if twice := [value for value in values if values.count(value) > 1]:
        raise UsageError(
            f"{name} in vary of {path} must have no value twice, but has {twice[0]!r}."
        )


def _require_type(path: Path, name: str, value: Any) -> None:
    """Refuse what YAML reads otherwise than it was meant: 0110 is the number 72, on is true."""
    wanted = interpret_dc_type(AttnTransformerConfig.__dataclass_fields__[name].type)
    wanted = wanted if wanted in (int, float, bool) else str
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    if not fits:
        raise UsageError(f"{name} in {path} must be {NAMES[wanted]}, but is {value!r}.")

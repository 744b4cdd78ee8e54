"""Grid files: a user's own cells in YAML.

A file has the section ``base``, the flags of all cells, and one of ``vary``, lists of values that
multiply, and ``models``, cells by their names. Names of flags are those without dashes and with
underscores in their place: of the models, of fairseq-train and of train.sh. Two models with two
depths each, four cells::

    base: {deformable_kernel_size: 3}
    vary:
      self_attn_terms: ["1111", "0110"]
      encoder_layers: [2, 4]

Three learning rates with two dropouts, six cells of the same model::

    base: {self_attn_terms: "0110", warmup_updates: 2000, max_update: 20000}
    vary:
      lr: [0.0005, 0.001, 0.002]
      dropout: [0.1, 0.3]

Models and the training together, eight cells::

    vary:
      self_attn_type: [relative, dynamic]
      tokens_per_update: [15000, 30000]
      adam_betas: ["(0.9, 0.98)", "(0.9, 0.997)"]

Models that no product makes, the last one fairseq's own of the same widths, and one with only the
first of the plan's seeds, five cells::

    base: {dropout: 0.2}
    models:
      "1111": {}
      "0000": {self_attn_terms: "0000", seeds: 1}
      0010-deformable: {self_attn_terms: "0010", deformable_kernel_size: 3}
      dynamic-kernel31: {self_attn_type: dynamic, conv_kernel_sizes: "31"}
      stock: {arch: transformer}

Numbers stand as they are; text that YAML reads as something else stands in quotes, as do terms, on
and off; a switch is true or false. A flag that the plan sets (``seed``, ``save_dir``, ...) or that
is of the machine (``cpu``) has no place in a file.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from fairseq.dataclass.utils import interpret_dc_type
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from attn_nmt.command_line import UsageError, shown
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.flags import MODEL_FIELDS, require_known
from attn_nmt.study.grids.cells import GRIDS, STOCK, Cell
from attn_nmt.study.grids.training_flags import is_reserved, training_flags, value_type

_SECTIONS = ("base", "vary", "models")
_ARCH, _SEEDS = "arch", "seeds"
"""The keys of a model in a file that are no flags of a cell."""
_MAX_BYTES, _MAX_CELLS, _MAX_NAME = 1 << 14, 10_000, 200
_NOT_IN_NAMES = re.compile(r"[^\w.,:=-]")
_MODEL_NAME = re.compile(r"\w[\w.,:=+-]*")
_MAX_PROBLEM = 300
_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    bool: ((bool,), "true or false"),
}


def read_grid(name: str, flag: str = "GRID") -> list[Cell]:
    """Return the cells of a grid of the paper, or of a YAML file.

    Args:
        name: one of ``GRIDS``, or the path of a file that ends in .yaml or .yml.
        flag: the command-line argument that named it, for errors.

    Raises:
        UsageError: if there is no such grid, or the file breaks a rule.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).exists():
            raise UsageError(f"{flag} must be a file, but {name} is missing.")
        return _read_file(Path(name))
    require_known(flag, name, (*GRIDS, "FILE.yaml"))
    return GRIDS[name]


def _read_file(path: Path) -> list[Cell]:
    """Return the cells of a file.

    Raises:
        UsageError: with the file, the rule and the value that breaks it.
    """
    content = _read_yaml(path)
    for section in content:
        require_known(f"a section of {path}", section, _SECTIONS)
    if "vary" in content and "models" in content:
        raise UsageError(f"{path} must have one of vary and models, but has both.")
    base = _read_flags(path, "base", content.get("base"))
    for name, value in base.items():
        _require_type(path, name, value)
    if "models" in content:
        return _models(path, base, content["models"])
    return _combinations(path, base, _read_flags(path, "vary", content.get("vary")))


def _combinations(path: Path, base: dict[str, Any], vary: dict[str, Any]) -> list[Cell]:
    """Return one cell for each combination of the lists; the last list varies fastest.

    Raises:
        UsageError: if a list breaks a rule, there are too many cells, a name is too long for a
            directory, or two are the same.
    """
    _require_one_section(path, base, vary)
    for name, values in vary.items():
        _require_list(path, name, values)
    count = math.prod(map(len, vary.values()))
    if count > _MAX_CELLS:
        raise UsageError(f"{path} must have at most {_MAX_CELLS} cells, but has {count}.")
    cells: dict[str, Cell] = {}
    for values in itertools.product(*vary.values()):
        varied = dict(zip(vary, values, strict=True))
        name = "+".join(_name_part(*pair) for pair in varied.items()) or "base"
        if len(name.encode()) > _MAX_NAME:
            raise UsageError(
                f"{path} must vary flags whose values make a name of at most {_MAX_NAME} bytes, "
                f"but one is {shown(name)}."
            )
        if name in cells:
            raise UsageError(
                f"{path} must have values that differ in letters or digits, but two cells are "
                f"named {shown(name)}."
            )
        cells[name] = _cell(name, base, varied)
    return list(cells.values())


def _models(path: Path, base: dict[str, Any], models: Any) -> list[Cell]:
    """Return one cell for each model, in the order of the file.

    Raises:
        UsageError: if a name cannot be one of a directory, or a flag breaks a rule.
    """
    if not isinstance(models, dict) or not models:
        raise UsageError(f"models of {path} must be names with flags, but is {shown(models)}.")
    cells = []
    for name, content in models.items():
        # 0110 without quotes is the number 72.
        if (
            not isinstance(name, str)
            or not _MODEL_NAME.fullmatch(name)
            or len(name.encode()) > _MAX_NAME
        ):
            raise UsageError(
                f"A name in models of {path} must be text in quotes of letters, digits and "
                f".,:=+-, at most {_MAX_NAME} bytes, but is {shown(name)}."
            )
        section = f"{name} in models"
        flags = dict(content) if isinstance(content, dict) else content
        arch = flags.pop(_ARCH, None) if isinstance(flags, dict) else None
        if arch not in (None, STOCK):
            raise UsageError(
                f"{_ARCH} of {section} of {path} must be {STOCK}, fairseq's own, or left out, but "
                f"is {shown(arch)}."
            )
        seeds = flags.pop(_SEEDS, None) if isinstance(flags, dict) else None
        if seeds is not None and (type(seeds) is not int or seeds < 1):
            raise UsageError(
                f"{_SEEDS} of {section} of {path} must be a number of seeds, at least 1, but is "
                f"{shown(seeds)}."
            )
        varied = _read_flags(path, section, flags)
        _require_one_section(path, base, varied)
        for flag, value in varied.items():
            _require_type(path, flag, value)
        cells.append(replace(_cell(name, base, varied, arch == STOCK), seeds=seeds))
    return cells


def _cell(
    name: str, base: Mapping[str, Any], varied: Mapping[str, Any], is_stock: bool = False
) -> Cell:
    flags = {**base, **varied}
    model_flags = {key: value for key, value in flags.items() if key in MODEL_FIELDS}
    train_flags = {key: value for key, value in flags.items() if key not in MODEL_FIELDS}
    return Cell(name, model_flags, train_flags=train_flags, varied=tuple(varied), is_stock=is_stock)


def _name_part(flag: str, value: Any) -> str:
    """Return how the name of a cell says that a flag varies: no character that shells read."""
    return f"{flag}={_NOT_IN_NAMES.sub('', str(value))}"


def _require_one_section(path: Path, base: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    if both := sorted(set(base) & set(other)):
        raise UsageError(f"{path} must have a flag in one section, but has {both[0]} in both.")


def _read_yaml(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise UsageError(f"{path} must have at most {_MAX_BYTES} bytes, but has {size}.")
    try:
        text = path.read_text(encoding="utf-8")
        # Aliases of aliases would take exponential time.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise UsageError(f"{path} must have no YAML aliases, but has some.")
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        RecursionError,
        OmegaConfBaseException,
    ) as error:
        problem = " ".join(str(error).split())[:_MAX_PROBLEM]
        raise UsageError(f"{path} must be YAML, but is not: {problem}.") from error
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{path} must have the sections base, vary or models, but has none.")
    return {str(section): value for section, value in content.items()}


def _read_flags(path: Path, section: str, flags: Any) -> dict[str, Any]:
    if flags is None:
        return {}
    if not isinstance(flags, dict):
        raise UsageError(f"{section} of {path} must be flags with values, but is {shown(flags)}.")
    for name in map(str, flags):
        if is_reserved(name):
            raise UsageError(
                f"{name} must be left out of {section} of {path}, since the plan or its command "
                "line sets it, but is given."
            )
        require_known(f"a flag in {section} of {path}", name, (*MODEL_FIELDS, *training_flags()))
    return {str(name): value for name, value in flags.items()}


def _require_list(path: Path, name: str, values: Any) -> None:
    if not isinstance(values, list) or not values:
        raise UsageError(
            f"{name} in vary of {path} must be a list of values, but is {shown(values)}."
        )
    for value in values:
        _require_type(path, name, value)
    (most_common, times), *_ = Counter(values).most_common(1)
    if times > 1:
        raise UsageError(
            f"{name} in vary of {path} must have no value twice, but has {shown(most_common)}."
        )


def _require_type(path: Path, name: str, value: Any) -> None:
    """Refuse a value that YAML reads differently than intended: 0110 is 72 in octal, on is true."""
    if name in MODEL_FIELDS:
        wanted = interpret_dc_type(AttnTransformerConfig.__dataclass_fields__[name].type)
        types, type_name = _TYPES.get(wanted, ((str,), "text in quotes"))
    else:
        wanted = value_type(name)
        types, type_name = _TYPES.get(wanted, ((str, int, float), "text or a number"))
    if type(value) not in types:
        raise UsageError(f"{name} in {path} must be {type_name}, but is {shown(value)}.")
    if isinstance(value, str) and name not in MODEL_FIELDS:
        _require_plain(path, name, value)


def _require_plain(path: Path, name: str, text: str) -> None:
    """Refuse text that would run as code: fairseq calls ``eval`` on some values of flags."""
    if "(" not in text:
        return
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise UsageError(
            f"{name} in {path} must be text without calls, but is {shown(text)}."
        ) from error

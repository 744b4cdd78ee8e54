"""Rows of numbers as an aligned table, CSV, or JSON with one object per line."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

FORMATS = ("table", "csv", "json")
Row = dict[str, Any]


def render(rows: list[Row], form: str, columns: dict[str, str]) -> str:
    """Return the rows as text that ends in a newline.

    Args:
        rows: at least one, all with the same keys.
        form: one of ``FORMATS``.
        columns: the keys that a table shows, each with the format of its values, such as ".3f";
            CSV and JSON contain all keys.
    """
    if form == "json":
        return "".join(json.dumps(row) + "\n" for row in rows)
    if form == "csv":
        file = io.StringIO()
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()
    return _table(rows, columns)


def shown(rows: list[Row], columns: dict[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return the keys of the columns that are not empty, and their values as text.

    Args:
        rows: all with the keys of ``columns``.
        columns: keys, each with the format of its values; None becomes "", True "yes".
    """
    cells = [[_cell(row[key], form) for key, form in columns.items()] for row in rows]
    used = [n for n in range(len(columns)) if any(row[n] for row in cells)]
    return [list(columns)[n] for n in used], [[row[n] for n in used] for row in cells]


def _table(rows: list[Row], columns: dict[str, str]) -> str:
    keys, cells = shown(rows, columns)
    lines = [keys, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    is_text = [any(isinstance(row[key], str) for row in rows) for key in keys]
    return "".join(
        "  ".join(
            text.ljust(width) if left else text.rjust(width)
            for text, width, left in zip(line, widths, is_text, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _cell(value: Any, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return format(value, "" if isinstance(value, str) else form)

"""Rows of numbers as an aligned table, CSV, or JSON with one object a line."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

FORMATS = ("table", "csv", "json")
Row = dict[str, Any]


def render(rows: list[Row], form: str, columns: dict[str, str]) -> str:
    """Return the rows as text that ends in a line break.

    Args:
        rows: all with the same keys, at least one.
        form: one of ``FORMATS``.
        columns: the keys that a table shows, each with the format of its values, such as ".3f";
            CSV and JSON hold all keys.
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


def _table(rows: list[Row], columns: dict[str, str]) -> str:
    cells = [[_cell(row[key], form) for key, form in columns.items()] for row in rows]
    # A column that says nothing in any row is left out.
    told = [n for n in range(len(columns)) if any(row[n] for row in cells)]
    lines = [list(columns), *cells]
    widths = {n: max(len(line[n]) for line in lines) for n in told}
    is_text = {n: any(isinstance(row[list(columns)[n]], str) for row in rows) for n in told}
    return "".join(
        "  ".join(line[n].ljust(widths[n]) if is_text[n] else line[n].rjust(widths[n])
                  for n in told).rstrip() + "\n"
        for line in lines
    )  # fmt: skip


def _cell(value: Any, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return format(value, "" if isinstance(value, str) else form)

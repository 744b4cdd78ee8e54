"""Rows as a Markdown table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_nmt.study.flags import as_command_line


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Lay out rows as a table; what was not measured is said to be so."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[_cell(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def comparison(row: dict[str, Any]) -> dict[str, Any]:
    """Return a measured row for the table: one column for model and flags, one for the verdict."""
    command_line = " ".join((row["model"], *as_command_line(row["flags"])))
    time = row["time"]
    return {
        "work": row["work"],
        "model": f"`{command_line}`",
        "against": f"`{row['against']}`",
        "device": row["device"],
        "goal": "" if row["goal"] is None else row["goal"],
        "time": "not measured" if time is None else time,
        "quartiles": "" if time is None else f"{row['low']:.2f}-{row['high']:.2f}",
        "memory goal": "" if row["memory goal"] is None else row["memory goal"],
        "memory": "" if row["memory"] is None else row["memory"],
        "share of matrix rate": "" if row["roofline"] is None else row["roofline"],
        "met": _verdict(row),
    }


def shares(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return where the time of the searches went, ours and the others', a row each."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        for name, key in ((row["model"], "shares"), (row["against"], "other shares")):
            if row[key] is not None:
                found.setdefault(name, row[key])
    return [{"share of a search": f"`{name}`", **parts} for name, parts in found.items()]


def _verdict(row: dict[str, Any]) -> str:
    pairs = [(row["goal"], row["time"]), (row["memory goal"], row["memory"])]
    judged = [found <= goal for goal, found in pairs if None not in (goal, found)]
    return "" if not judged else "yes" if all(judged) else "no"


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)

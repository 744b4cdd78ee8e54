"""The files that a prefix stands for: one per language, or one of two columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attn_nmt.command_line import UsageError
from attn_nmt.data.lines import Languages, Pair, stream_columns, stream_pairs
from attn_nmt.data_card import sha256


@dataclass(frozen=True)
class ParallelFiles:
    """Parallel text on disk: the files of source and target, or a single one of two columns."""

    paths: tuple[Path, ...]

    def pairs(self) -> Iterator[Pair]:
        """Read the pairs, whose number memory does not depend on.

        Raises:
            UsageError: where a file breaks a rule.
        """
        if len(self.paths) == 1:
            return stream_columns(*self.paths)
        return stream_pairs(*self.paths)

    def checksums(self) -> list[list[str]]:
        """Return the name and the SHA-256 of each file, as JSON has them."""
        return [[path.name, sha256(path)] for path in self.paths]

    def place(self, side: int, line: int) -> str:
        """Name a line of one side for an error."""
        return f"line {line} of {self.paths[side % len(self.paths)]}"


def find_files(flag: str, prefix: str, langs: Languages) -> ParallelFiles:
    """Return ``PREFIX.SOURCE`` and ``PREFIX.TARGET``, or ``PREFIX.tsv``, each also with ``.gz``.

    Raises:
        UsageError: naming the flag, if they are missing, or if there are several.
    """
    source, target, table = (_existing(f"{prefix}.{suffix}") for suffix in (*langs, "tsv"))
    found = [*source, *target, *table]
    if len(table) == 1 and found == table:
        return ParallelFiles((table[0],))
    if len(source) == len(target) == 1 and not table:
        return ParallelFiles((source[0], target[0]))
    names = f"{prefix}.{langs[0]} and {prefix}.{langs[1]}, or {prefix}.tsv, each also .gz"
    if table or (source and target):
        listed = " and ".join(map(str, found))
        raise UsageError(f"{flag} must name one of {names}, but {listed} exist.")
    missing = [lang for lang, paths in zip(langs, (source, target), strict=True) if not paths]
    raise UsageError(f"{flag} must name {names}, but {prefix}.{missing[0]} is missing.")


def _existing(name: str) -> list[Path]:
    return [path for path in (Path(name), Path(f"{name}.gz")) if path.is_file()]

"""``attn-nmt COMMAND``, also ``python -m attn_nmt COMMAND``: every command under one name.

A command is imported only when it is called, so that one whose packages are missing says which.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from attn_nmt.command_line import UsageError, run
from attn_nmt.version import __version__


@dataclass(frozen=True)
class Command:
    """Where a command is: its function, which reads ``sys.argv``, or its subcommands."""

    summary: str
    module: str = ""
    """In this package."""
    function: str = "main"
    subcommands: Mapping[str, Command] | None = None


COMMANDS = Command(
    "Spatial attention mechanisms for machine translation, with fairseq.",
    subcommands={
        "prepare": Command(
            "text to subwords and fairseq's binary files",
            subcommands={
                "text": Command("your own, in any two languages", "data.own_text"),
                "cldr": Command("the embedded English-German corpus", "data.cldr_en2de"),
                "multi30k": Command("English-German captions", "data.multi30k_en2de"),
                "wmt14": Command("WMT14 English-German", "data.wmt14_en2de"),
            },
        ),
        "train": Command("train with the paper's recipe, or resume", "training.__main__"),
        "translate": Command("plain text in, plain text out", "translate"),
        "evaluate": Command("translate a split and score it", "evaluation.__main__"),
        "average": Command("the mean of several checkpoints", "checkpoints.averaging"),
        "study": Command("the paper's grids, from costs to figures", "study.__main__"),
        "benchmark": Command("time and memory beside fairseq's", "benchmarking.__main__"),
        "doctor": Command("versions, device, known conflicts", "doctor"),
        "flags": Command("flags that the models add to fairseq-train", "models.flag_list"),
        "path": Command("where this package is, for --user-dir", "__main__", "print_path"),
    },
)


def console() -> NoReturn:
    """Be ``attn-nmt``."""
    run(main)


def main() -> None:
    """Run the command that the first words of the command line name.

    Raises:
        UsageError: if there is no such command, or it needs a package that is not installed.
    """
    command, name, words = COMMANDS, "attn-nmt", sys.argv[1:]
    if words == ["--version"]:
        print(f"attn_nmt {__version__}")
        return
    while command.subcommands is not None:
        if not words or words[0] in ("-h", "--help"):
            print(usage(name, command))
            if not words:
                sys.exit(2)
            return
        if words[0] not in command.subcommands:
            raise UsageError(
                f"{name} must be followed by one of {', '.join(command.subcommands)}, but is "
                f"followed by {words[0]!r}."
            )
        command, name, words = command.subcommands[words[0]], f"{name} {words[0]}", words[1:]
    sys.argv = [name, *words]
    getattr(import_module(f"attn_nmt.{command.module}"), command.function)()


def usage(name: str, command: Command) -> str:
    """Return the help of a command that has subcommands."""
    lines = [
        f"  {word:10} {subcommand.summary}"
        for word, subcommand in (command.subcommands or {}).items()
    ]
    end = f"{name} COMMAND --help lists the options of a command."
    if command is COMMANDS:
        end += f"\n{name} --version prints the version."
    return "\n".join([f"usage: {name} COMMAND ...", "", command.summary, "", *lines, "", end])


def print_path() -> None:
    """Print the directory of the package."""
    print(Path(__file__).parent)


if __name__ == "__main__":
    # python -m attn_nmt by itself is for --user-dir "$(python -m attn_nmt)".
    sys.argv[1:] = sys.argv[1:] or ["path"]
    console()

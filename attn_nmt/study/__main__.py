"""``python -m attn_nmt.study COMMAND``."""

from __future__ import annotations

from argparse import ArgumentParser

from attn_nmt.command_line import run
from attn_nmt.study import costs_command

COMMANDS = (costs_command.add_parser,)
"""Each adds its parser to the subparsers it is given, with a default ``run`` that takes options."""


def main() -> None:
    """Run the command that is named first."""
    parser = ArgumentParser(prog="python -m attn_nmt.study", allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_parser in COMMANDS:
        add_parser(commands)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    run(main)

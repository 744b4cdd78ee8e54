"""``attn-nmt study COMMAND``, also ``python -m attn_nmt.study COMMAND``."""

from __future__ import annotations

import logging
from argparse import ArgumentParser

from attn_nmt.command_line import UsageError, run


def main() -> None:
    """Run the command that the first argument names."""
    from attn_nmt.study.commands import COMMANDS  # here, so that run reports a missing package

    # One of fairseq's models sets the root logger to DEBUG on import.
    logging.getLogger().setLevel(logging.WARNING)
    parser = ArgumentParser(prog="attn-nmt study", allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_parser in COMMANDS:
        add_parser(commands)
    options, more = parser.parse_known_args()
    if more and not options.passes_flags_on:
        raise UsageError(f"{more[0]} must be a flag of this command, but is unknown to it.")
    options.more = more
    options.run(options)


if __name__ == "__main__":
    run(main)

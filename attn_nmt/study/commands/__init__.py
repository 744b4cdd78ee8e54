"""The subcommands, one module each."""

from attn_nmt.study.commands import collect, compare, costs, inspect, plan, report, run, speed

COMMANDS = tuple(
    module.add_parser for module in (costs, speed, plan, run, collect, report, compare, inspect)
)
"""Each adds its parser to the subparsers that are passed to it, with the defaults

- ``run``: called with the options;
- ``passes_flags_on``: whether unknown flags, which are fairseq's, are kept as ``options.more``.
"""

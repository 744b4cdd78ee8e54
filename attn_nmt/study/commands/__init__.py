"""The subcommands, one module each with its ``add_parser``."""

"""The commands, a module each with its ``add_parser``.

``plan_options`` is what ``plan`` and ``run`` share; ``model_flags`` puts the models' flags on a
parser.
"""

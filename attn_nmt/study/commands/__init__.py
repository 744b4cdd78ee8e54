"""The commands, a module each with its ``add_parser``.

``plan_options`` is what ``plan`` and ``run`` share; ``executor_options`` and ``slurm_options`` say
where ``run`` runs; ``model_flags`` puts the models' flags on a parser.
"""

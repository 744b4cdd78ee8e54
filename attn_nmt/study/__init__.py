"""The study: which models are compared, and what each costs and scores.

``python -m attn_nmt.study COMMAND``. Each package imports only from those below it:

- ``commands``: the subcommands
- ``reporting``: from results to a page, tables and figures
- ``inspecting``: what a model does with one sentence
- ``paired_tests``: whether systems differ in BLEU by more than chance
- ``running``: from a plan to results
- ``training_time``: how long a training will take
- ``model_costs``: what a model costs
- ``grids``: which models are compared, and the trainings that this takes
- ``flags``: the models' flags on a command line, as a configuration, and in words
- ``colours``: of lines and arrows
- ``tables``: rows as a table, CSV or JSON
- ``paper``: the paper's tables
"""

"""The study: which models there are to compare, and what each costs and scores.

``python -m attn_nmt.study COMMAND``; each command has a module ``COMMAND_command`` that adds its
own parser.

- ``settings``: a model by its flags alone
- ``grids``, ``grid_file``: the paper's comparisons, and a user's own
- ``formulas``, ``parameters``: what one mechanism costs, from plain numbers
- ``costs``: the sum over a model; ``actual``: what its modules really compute
- ``paper``: the printed numbers beside which ours are set
- ``model_flags``: the models' flags on these commands; ``plan``: a grid as trainings, from
  ``plan_options``
- ``cell``: one run of a cell, which any executor can call; ``local``: all of them on this machine
- ``child``, ``training_log``: a command of a run, and what it prints; ``cell_files``,
  ``environment``, ``result``: what a run leaves in its folder; ``same_settings``: what keeps
  another one out of it
- ``systems``, ``significance``: hypotheses and their reference, and whether systems differ
- ``cost_rows``, ``describe``: models as rows of numbers and words; ``tables``: rows as a
  table, CSV or JSON
"""

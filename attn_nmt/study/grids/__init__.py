"""Which models are compared, and the trainings that this takes.

- ``settings``: a model by its flags alone
- ``named``, ``grid_file``: the paper's comparisons, and a user's own
- ``plan``: a grid as trainings and scorings; ``train_flags``: whether those take their flags
"""

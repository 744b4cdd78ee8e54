"""Which models are compared, and the trainings that this takes.

- ``cells``: one model of a grid, and the grids of the paper's comparisons
- ``grid_files``: a user's own models, from a YAML file
- ``training_flags``: the flags of a training that such a file may set
- ``runs``: a grid as the commands that train and score it
"""

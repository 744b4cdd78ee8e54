"""Which models are compared, and the trainings that this takes.

- ``cells``: the models of the paper's comparisons, and of a user's own YAML file
- ``training_flags``: the flags of a training that such a file may set
- ``runs``: a grid as the commands that train and score it
"""

"""Which models are compared, and the trainings that this takes.

- ``cells``: the models of the paper's comparisons, and of a user's own YAML file
- ``runs``: a grid as the commands that train and score it
"""

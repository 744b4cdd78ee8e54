"""What ``scripts/train.sh`` does: train with the paper's recipe on the available devices.

- ``options``: the command line and its rules
- ``devices``: GPUs; nodes, from flags or from SLURM
- ``command``: from both to the fairseq-train commands, with the recipe and the size of an update
- ``save_dir``: one training at a time in a directory
- ``launch``: the commands as processes that are stopped together
- ``display``: what is shown of their log
- ``__main__``: all of it in order; ``fairseq_train``: the same without the recipe

Nothing here imports fairseq, except to look up the name of an architecture.
"""

"""What ``scripts/train.sh`` does: train with the paper's recipe on the available devices.

- ``options``: the command line and its rules
- ``devices``: GPUs; nodes, from flags or from SLURM
- ``command``: from both to the fairseq-train commands, with the recipe and the size of an update
- ``save_dir``: one training at a time in a directory
- ``launch``: one command replaces the process; several are stopped together
- ``__main__``: all of it in order

Nothing here imports fairseq, except to look up the name of an architecture.
"""

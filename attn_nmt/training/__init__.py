"""What ``scripts/train.sh`` does: the paper's recipe on whatever devices there are.

- ``options``: the command line, and its rules
- ``recipe``: the paper's flags for fairseq-train, and the size of an update
- ``devices``: GPUs; nodes, from flags or from SLURM
- ``plan``: from all of that to the commands to start, as a pure function
- ``launch``: one command takes over the process; several live and die together
- ``restart``: a checkpoint cut short by a kill, replaced by the newest whole one
- ``__main__``: all of it in order

Nothing here imports fairseq, except to look up the name of an architecture.
"""

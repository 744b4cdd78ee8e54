"""Running a plan.

- ``cell``: one run of a cell, which any executor can call
- ``local``: all of them on this machine; ``progress``: how far they are
- ``submitted``: all of them as jobs of submitit; ``queues``: SLURM, or processes of this machine;
  ``job``: one of them on its node, and what signals do to it
- ``child``, ``training_log``: a command of a run, and what it prints
- ``cell_files``, ``environment``, ``result``: what a run leaves in its folder;
  ``same_settings``: what keeps another one out of it
"""

"""How fast the models are compared with stock fairseq; ``scripts/benchmark.py``.

- ``measures``: of any step: seconds, peak memory, multiply-adds
- ``models``: ours, and stock's of the same widths
- ``work``: what is timed: a training step, a search, a long sentence; with their batches
- ``comparison``: rows with their goals, measured and as a table
- ``peers``: another engine, with stock's weights
- ``gpu_check``: every mechanism on the GPU against the CPU
- ``lengths``: growth of time and memory with the length of a sentence
"""

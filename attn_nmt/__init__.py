"""Spatial attention mechanisms for machine translation, as a fairseq ``--user-dir``.

The parts, from mathematics to the command line:

- ``terms``: the four attention terms and their bits
- ``functional``: energies and their sum, attention, relative positions, cumulative means, windows,
  interpolation, convolution: pure functions of tensors
- ``modules``: attention and convolutions, with their parameters and caches; the choice of backend
- ``models``: flags, the registry of mechanisms, encoder and decoder, ``--arch`` names
- ``config``: YAML files for ``fairseq-hydra-train``
- ``checkpoints``: the gate through which all checkpoints are loaded: ``checkpoint_file`` reads a
  damaged or hostile file, ``checkpoint_settings`` checks what fairseq would evaluate and build
- ``fairseq_patches``: bugs of fairseq, patched on import
- ``data_card``: how a corpus was prepared
- ``moses``, ``subwords``, ``segmenter``: text to tokens and subwords, and back
- ``hub``: a trained model from Python
- ``training``: the paper's recipe on the available devices
- ``averaging``: the mean of several checkpoints
- ``evaluation``: translating with a checkpoint, and the labelled scores
- ``study``: ``python -m attn_nmt.study``: the paper's models and grids, their costs and runs
- ``benchmarking``: ``scripts/benchmark.py``: time and memory relative to stock fairseq
- ``command_line``: how commands refuse bad input; ``atomic``: files that are created atomically;
  ``child_processes``: processes that end with the one that started them
- ``doctor``: ``python -m attn_nmt doctor``; ``__main__`` also prints the path and the flags

``terms``, ``functional`` and ``modules`` need PyTorch only. fairseq imports ``models`` by itself
when this directory is its ``--user-dir``.
"""

import logging

from attn_nmt import checkpoints
from attn_nmt.version import __version__

__all__ = ["__version__"]

checkpoints.allow_fairseq_classes()
# On import, fairseq logs which optional packages are missing.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)

"""Spatial attention mechanisms for machine translation, as a fairseq ``--user-dir``.

The parts, from mathematics to the command line:

- ``terms``: the four attention terms and their bits
- ``functional``: energies and their sum, attention, relative positions, cumulative means, windows,
  interpolation, convolution: pure functions of tensors
- ``modules``: attention and convolutions, with their parameters and caches; the choice of backend
- ``models``: flags, the registry of mechanisms, encoder and decoder, ``--arch`` names
- ``config``: YAML files for ``fairseq-hydra-train``
- ``checkpoints``: the gate through which all checkpoints are loaded, damaged or hostile ones too;
  the best and the last of a training, and the mean of several
- ``fairseq_patches``: bugs of fairseq, patched on import
- ``data_card``: how a corpus was prepared
- ``text``: text to tokens and subwords, and back
- ``data``: ``attn-nmt prepare``: corpora, from text to fairseq's binary files
- ``search``: how translations are searched for; ``hub``: a trained model from Python
- ``translate``: plain text in, plain text out
- ``training``: the paper's recipe on the available devices; ``fused_adam``: its optimizer
- ``evaluation``: translating with a checkpoint, and the labelled scores
- ``study``: ``attn-nmt study``: the paper's models and grids, their costs and runs
- ``benchmarking``: ``attn-nmt benchmark``: time and memory relative to stock fairseq
- ``command_line``: how commands refuse bad input; ``atomic``: files that are created atomically;
  ``child_processes``: processes that end with the one that started them; ``child_log``: what their
  logs say; ``progress``: bars on a terminal, lines in a file
- ``doctor``: what is installed and does not fit; ``__main__``: ``attn-nmt`` and its commands

``terms``, ``functional`` and ``modules`` need PyTorch only. fairseq imports ``models`` by itself
when this directory is its ``--user-dir``.
"""

import logging
from importlib.util import find_spec

from attn_nmt.version import __version__

__all__ = ["__version__"]

if find_spec("torch") and find_spec("numpy"):  # without them, attn-nmt doctor says so
    from attn_nmt import checkpoints

    checkpoints.allow_fairseq_classes()
# On import, fairseq logs which optional packages are missing.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)

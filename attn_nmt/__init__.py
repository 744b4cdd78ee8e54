"""Spatial attention mechanisms for machine translation, as a fairseq ``--user-dir``.

The map, from mathematics to command line:

- ``terms``: the four attention terms and their bits
- ``functional``: energies, positions, masks, sampling as pure functions of tensors
- ``modules``: attention and convolutions, their fast ways and their caches for decoding
- ``models``: encoder, decoder and ``--arch`` names; every flag in ``models.config``
- ``config``: YAML files for ``fairseq-hydra-train``
- ``checkpoints``: loading without letting a file run code
- ``fairseq_patches``: what fairseq gets wrong, mended on import
- ``data_card``: what a prepared corpus was made of
- ``moses``, ``segmenter``: text to tokens and subwords, and back
- ``hub``: a trained model from Python
- ``study``: ``python -m attn_nmt.study``: the paper's models and grids, their costs and runs
- ``training``: the recipe of the paper on the devices that are there
- ``averaging``: one checkpoint out of several
- ``benchmarking``: ``scripts/benchmark.py``: time and memory against stock fairseq
- ``evaluation``: translating with a checkpoint, and the labelled scores
- ``command_line``: how commands refuse bad input; ``atomic``: files that appear whole
- ``doctor``: ``python -m attn_nmt doctor``; ``__main__`` also prints the path and the flags

``terms``, ``functional`` and ``modules`` need PyTorch only. fairseq imports ``models`` by itself
when it is given this folder as ``--user-dir``.
"""

from attn_nmt import checkpoints
from attn_nmt.version import __version__

__all__ = ["__version__"]

checkpoints.allow_fairseq_classes()

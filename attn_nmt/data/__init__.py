"""Preparation of corpora: from text to ``OUT_DIR/data-bin``, with raw references.

- ``own_text``: anyone's text in two languages, from ``parallel_files`` and ``held_out``
- ``cldr``: the embedded corpus, generated from the Unicode CLDR; ``cldr_en2de`` is its command
- ``multi30k_en2de``: image captions
- ``wmt14_en2de``: WMT14, read and cleaned by ``wmt14``
- ``options``: the options that all commands share
- ``pipeline``: tokens, subwords, binarising; the output directory and its data card
- ``steps``: resuming an interrupted run; ``parallel``: lines in several processes
- ``download``: files from the network or a mirror; ``lines``: reading and checking text
"""

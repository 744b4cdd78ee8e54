"""Preparation of English-German data: from text to ``OUT_DIR/data-bin``, raw references aside.

- ``cldr``: the embedded corpus, made from the Unicode CLDR; ``cldr_en2de`` is its command
- ``multi30k_en2de``: image captions
- ``wmt14_en2de``: WMT14, read and cleaned by ``wmt14``
- ``options``: the flags all commands share; ``pipeline``: the output folder and its data card
- ``steps``: what an interrupted run has finished; ``parallel``: lines over several processes
- ``download``: files from the network or a mirror; ``text``: reading and checking lines
- ``segment``: Moses tokens and subwords
"""

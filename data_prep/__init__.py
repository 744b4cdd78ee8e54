"""Preparation of English-German data: from text to ``OUT_DIR/data-bin``, raw references aside.

- ``cldr``: the embedded corpus, made from the Unicode CLDR; ``cldr_en2de`` is its command
- ``multi30k_en2de``: image captions
- ``options``: the flags all commands share; ``pipeline``: the steps they share
- ``download``: files from the network or a mirror; ``text``: reading and checking lines
- ``segment``: Moses tokens and subwords
"""

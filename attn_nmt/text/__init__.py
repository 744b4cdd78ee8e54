"""Text to what a model reads, and back.

- ``moses``: punctuation normalisation and tokenisation; ``detokenizer``: the way back
- ``subwords``: what learns and applies them, and the files in which they are kept
- ``segmenter``: all of it, as the data card of a corpus says
"""

"""WMT14 English-German, from the archives to subwords.

- ``archives``: where they are, and what is known of them
- ``extract``: files out of an archive that may be damaged, or hostile
- ``sgm``: the format of the test set
- ``read``: archives to text, with every count checked
- ``clean``: punctuation, tokens, and which training pairs are kept
"""

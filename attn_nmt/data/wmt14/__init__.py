"""WMT14 English-German, from the archives to clean text.

- ``archives``: where they are, what is known about them; verifying and extracting them
- ``read``: their text, checked against the published numbers of lines
- ``clean``: punctuation, tokens, and which training pairs are kept
"""

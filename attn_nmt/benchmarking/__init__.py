"""How fast the models are, in ratio to stock fairseq; ``scripts/benchmark.py``.

- ``models``: ours and stock's at the same widths; ``batches``: what they are given
- ``work``: a step of training, a search, a long sentence; ``mechanisms``: one mechanism alone
- ``shares``: where a search spends its time
- ``timing``: steps in turn; ``memory``: the peak of one; ``roofline``: how near the machine's limit
- ``goals``: what is aimed at; ``rows``: measuring one; ``lengths``: growth with the length
- ``layout``: rows as Markdown and JSON
"""

"""What a model costs, in multiply-adds and parameters.

- ``model``: the sum over a model, by the formulas of :mod:`attn_nmt.models.costs`
- ``actual``: what its modules really compute
- ``paper``: the printed numbers; ``rows``: ours beside them
"""

"""What a model costs, in multiply-adds and parameters.

- ``model``: the sum over a model, by the formulas of :mod:`attn_nmt.models.costs`
- ``actual``: what its modules really compute
- ``rows``: models as rows, compared with the paper
"""

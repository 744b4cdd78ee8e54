"""What a model costs, in multiply-adds and parameters.

- ``formulas``, ``parameters``: of one mechanism, from plain numbers
- ``model``: the sum over a model; ``actual``: what its modules really compute
- ``rows``: models as rows, compared with the paper
"""

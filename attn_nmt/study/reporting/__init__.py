"""From the directories of ``run`` to a page, tables and figures.

- ``results``: what there is of each grid, cell and seed, its files checked
- ``comparability``: the settings that results depend on, and warnings where they differ
- ``seed_tests``: whether a cell differs from its baseline, seed by seed
- ``results_table``: the columns of the table and its rows
- ``figures``: BLEU over multiply-adds, and learning curves
- ``formats``, ``page.html``: one grid as HTML, Markdown and LaTeX
- ``report_files``: the content of every file that is written
"""

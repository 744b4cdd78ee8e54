"""From the directories of ``run`` to a page, tables and figures.

- ``results``: what there is of each grid, cell and seed, its files checked
- ``collection``: what of the runs is small enough to commit, with the tests that need the corpus
- ``comparability``: the settings that results depend on, and warnings where they differ
- ``seed_tests``: whether a cell differs from its baseline, within each seed and over the seeds
- ``results_table``: the columns of the table, its rows, and what to look at first
- ``cell_styles``: the colour, marker and dash of each cell
- ``figures``: BLEU over multiply-adds, and learning curves
- ``formats``, ``page.html``: one grid as HTML, Markdown and LaTeX
- ``findings``: the paper's findings as claims, and what the results say about each
- ``findings_page``: a Markdown page of them
- ``report_files``: the content of every file that is written
"""

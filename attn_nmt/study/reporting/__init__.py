"""From the folders of ``run`` to a page, tables and figures.

- ``found``: what there is of each cell and seed; ``reading``: its files, checked
- ``settings``: what the results are of, and where that is not the same for all
- ``significance``, ``envelope``, ``rows``: the numbers of the table; ``columns``: what they mean
- ``markdown``, ``latex``: the table as text; ``figures``, ``scatter``, ``curves``: the plots
- ``page``, ``page.html``: all of it in one file; ``files``: everything that is written
"""

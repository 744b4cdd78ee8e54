"""The study: which models there are to compare, and what each costs and scores.

``python -m attn_nmt.study COMMAND``.

- ``commands``: what can be said on the command line
- ``grids``: which models are compared, and the trainings that this takes
- ``costs``: what a model costs
- ``running``: from a plan to results
- ``comparing``: whether systems differ
- ``reporting``: from results to a page, tables and figures
- ``inspecting``: what a model does with one sentence
- ``describe``, ``tables``: a model in words; rows as a table, CSV or JSON
"""

import logging

# fairseq tells, when it is imported, what it would like to have installed.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)

"""From a checkpoint to labelled scores; ``scripts/evaluate.sh`` is the command.

- ``generate``: fairseq-generate and its hypotheses
- ``scores``: BLEU and chrF against the raw reference
"""

"""From a checkpoint to labelled scores; ``scripts/evaluate.sh`` is the command.

- ``translate``: runs fairseq-generate
- ``hypotheses``: its output, back in the order of the sentences, as plain text
- ``scores``: BLEU and chrF against the raw reference
"""

"""Whether systems differ: ``systems`` finds hypotheses and references, ``significance`` asks."""

"""What a trained model does with one sentence, sublayer by sublayer.

- ``capture``: which model it is, the sentence as tokens, and the inputs of every sublayer
- ``panel_data``: what there is to see of a sublayer, whatever its mechanism
- ``attention_panel``, ``convolution_panels``: the same by mechanism
- ``panels``: which mechanism has which panel; the panels of a whole model
- ``pictures``: panels as PNGs
- ``files``: the page, made from ``template``, the PNGs and the arrays in a directory
"""

import logging

# fairseq sets the root logger to DEBUG when it is imported; matplotlib then logs its own import.
logging.getLogger("matplotlib").setLevel(logging.WARNING)

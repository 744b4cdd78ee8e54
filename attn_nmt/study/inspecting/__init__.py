"""What a trained model does with one sentence, sublayer by sublayer.

- ``sentence``: from text to tokens, the translation given or searched for
- ``capture``: what each sublayer is given in one pass
- ``panel``: what there is to see of a sublayer; ``panels``: of every one
- ``attention_views``, ``deformable_views``, ``kernel_views``, ``plain_views``: by mechanism
- ``model_facts``: which model it is
- ``files``: all of it in a folder; ``page``: as one HTML file, made from ``template``;
  ``pictures``: as PNGs; ``dump``: as an npz
"""

import logging

# fairseq sets the root logger to DEBUG when it is imported, where matplotlib says a great deal.
logging.getLogger("matplotlib").setLevel(logging.WARNING)

"""Pure tensor functions behind the modules; nothing here holds parameters or knows of fairseq.

Shape letters, used throughout the package: B batch, H heads, D width of a head, C channels (H * D),
Lq queries, Lk keys, N = Lq + Lk - 1 distances, K taps of a kernel, S source length,
T target length, V vocabulary.

- ``linear``: x W^T + b, by the faster of two libraries
- ``energies``: the four terms of Equation 2, one function each
- ``relative_position``: the sinusoid R_d of a signed distance, and the relative shift
- ``masking``: which keys a query may see, and the softmax over them
- ``attend``: from energies to mixed values
- ``running_mean``: attention that does not look at the query, in linear time
- ``running_sum``: a plain sum that runs along, for context broadcasting
- ``banded``: attention within a span, in blocks
- ``deformable``: reading a sequence between its tokens
- ``headwise_convolution``: one kernel a head, from position to position
"""

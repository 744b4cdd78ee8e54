"""Pure functions of tensors; nothing here holds parameters or knows of fairseq.

Shape letters, used throughout the package: B batch, H heads, D width of a head, C channels (H * D),
L length, Lq queries, Lk keys, N = Lq + Lk - 1 distances, K taps of a kernel, S source length,
T target length, V vocabulary.

- ``energies``: the four terms of Equation 2, one function each, and their sum
- ``relative_position``: the sinusoid R_d of a signed distance, and the relative shift
- ``attention``: masks, softmax, and the weighted sum of the values
- ``cumulative``: sums and weighted means over the past of every position, in linear time
- ``dropout``: PyTorch's, with cheaper masks on a CPU
- ``windows``: blocks of queries, and the window of keys that each may see
- ``deformable``: interpolated reading between the tokens of a sequence
- ``headwise_convolution``: one kernel per head, which may differ between positions
"""

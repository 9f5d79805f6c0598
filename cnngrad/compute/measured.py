"""Measured constants: the limits between the ways of computing, and the sizes of tiles.

Sizes are in bytes unless stated otherwise. Times are milliseconds on an AMD EPYC with AVX2; shapes are X's, then the
filters'.
"""

_MIB = 2**20

# Columns and outputs of one tile. dE/dW of 4x3x224x224, 64 of 7x7, stride 2, in float64 took 52 with 0.5 MiB, 41
# with 1 and 37 with 3 or 4: this exceeds the second-level cache, but threads seldom wait for Python's lock.
TILE = 3 * _MIB

# Number of multiplications that one thread does in a millisecond; larger work is cut into tiles.
SMALL_WORK = 2**23

# Least number of tiles for such work, which keeps as many threads busy.
FEWEST_TILES = 4

# Number of partial sums of a small dE/dW; fixed, so that rounding does not depend on the threads.
SUMS = 4

# Size of dE/dW above which each job computes some channels of its own.
LARGE_SUM = _MIB

# Number of elements of all windows, and of X, up to which one index gathers them. Forward and backward of 16x16 with
# 3x3 take a fifth of the other ways' time, of 64x64 two thirds.
GATHERED = 2**16

# Number of multiplications up to which one index gathers: OpenBLAS uses one thread for so few.
GATHERED_WORK = 2**18

# Number of an operand's elements up to which BLAS uses one thread, even for a product of two vectors.
ONE_THREAD = 2**13

# Columns and outputs of one tile by rows. 1024x1024 with 3x3 took 3.7 with 2 MiB and 5.2 with 4.
ROW_TILE = 2 * _MIB

# Products of rows that are added up at once.
ROW_PRODUCTS = _MIB

# Least ratio of a tile's rows to those that it shares with its neighbour, so that most rows are copied only once.
SHARED_ROWS = 3

# Least number of elements in a part of a row that is worth a product of its own.
ROW_WIDTH = 32

# Number of filters up to which copying columns takes longer than narrow products. dE/dX of 400x400 with 31 of 31x31,
# a convolution with one filter, took 4.1 s by columns and 2.4 by rows; 600x50x400 with 12 of 4x3 took 0.19 and 0.29.
FEW_FILTERS = 4

# Number of filter elements from which a transform is quicker. 512x512 with 11x11 took 4.3 by a transform and 5.0 by
# rows.
TRANSFORMED_FLOAT64 = 120

# The same in float32, which is transformed in float64: 15x15 took 4.0 and 4.0, 21x21 4.3 and 6.6.
TRANSFORMED_FLOAT32 = 200

# Number of elements along each axis of a block that is transformed, or four times the filter's. 512x512 with 15x15
# took 7.6 with 128, 4.6 with 256 and 10 with 512.
BLOCK = 256

# Number of elements in the spectra of all filters and a block.
SPECTRA = 2**20

# Number of elements in the products of a block with some filters, which each thread holds.
SPECTRA_AT_ONCE = 2**18

# Number of filter elements up to which dE/dX is computed by adding up; in larger filters each element contributes
# too little per addition.
ADDED = 2**8

# Array of sums for one tile of dE/dX.
ADDED_SUM = 2 * _MIB

# Products that are computed before they are added up. 4x3x224x224 with 64 of 7x7, stride 2, took 82 with 2 MiB, 58
# with 4 and 51 with 8.
ADDED_PARTS = 6 * _MIB

# Largest number of positions in one product, since BLAS allocates memory for them.
ADDED_POSITIONS = 2**13

# Least number of rows of W^T in one product.
ADDED_ROWS = 48

# Least length of a tile of dE/dX, in spans of the window, so that few outputs are computed twice.
ADDED_LINES = 4

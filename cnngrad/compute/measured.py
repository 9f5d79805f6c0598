"""Measured constants: the limits by which the plan decides, and the sizes of tiles."""

from dataclasses import dataclass

__all__ = ["MEASURED", "Measured"]

MIB = 2**20


# Compared and hashed by identity, which is quick.
@dataclass(frozen=True, eq=False)
class Measured:
    """The limits between the ways of computing, and the sizes of tiles; in bytes unless stated otherwise.

    Times are milliseconds on an AMD EPYC with AVX2; shapes are X's, then the filters'.

    Attributes:
        tile: columns and outputs of one tile. dE/dW of 4x3x224x224, 64 of 7x7, stride 2, in float64 took 52 with
            0.5 MiB, 41 with 1 and 37 with 3 or 4: this exceeds the second-level cache, but threads seldom wait for
            Python's lock.
        small_work: number of multiplications that one thread does in a millisecond; larger work is cut into tiles.
        fewest_tiles: least number of tiles for such work, which keeps as many threads busy.
        sums: number of partial sums of a small dE/dW; fixed, so that rounding does not depend on the threads.
        large_sum: size of dE/dW above which each job computes some channels of its own.
        gathered: number of elements of all windows, and of X, up to which one index gathers them. Forward and backward
            of 16x16 with 3x3 take a fifth of the other ways' time, of 64x64 two thirds.
        gathered_work: number of multiplications up to which one index gathers: OpenBLAS uses one thread for so few.
        one_thread: number of an operand's elements up to which BLAS uses one thread, even for a product of two vectors.
        row_tile: columns and outputs of one tile by rows. 1024x1024 with 3x3 took 3.7 with 2 MiB and 5.2 with 4.
        row_products: products of rows that are added up at once.
        shared_rows: least ratio of a tile's rows to those that it shares with its neighbour, so that most rows are
            copied only once.
        row_width: least number of elements in a part of a row that is worth a product of its own.
        row_work: least number of multiplications for a row of O that is worth a product of its own.
        row_length: least number of elements in a row of dE/dO that is worth a product of its own.
        few_filters: number of filters up to which copying columns takes longer than narrow products. dE/dX of 400x400
            with 31 of 31x31, a convolution with one filter, took 4.1 s by columns and 2.4 by rows; 600x50x400 with 12
            of 4x3 took 0.19 and 0.29.
        transformed_float64: number of filter elements from which a transform is quicker. 512x512 with 11x11 took 4.3
            by a transform and 5.0 by rows.
        transformed_float32: the same in float32, which is transformed in float64: 15x15 took 4.0 and 4.0, 21x21 4.3
            and 6.6.
        block: number of elements along each axis of a block that is transformed, or four times the filter's. 512x512
            with 15x15 took 7.6 with 128, 4.6 with 256 and 10 with 512.
        spectra: number of elements in the spectra of all filters and a block.
        spectra_at_once: number of elements in the products of a block with some filters, which each thread holds.
        added: number of filter elements up to which dE/dX is computed by adding up; in larger filters each element
            contributes too little per addition.
        added_sum: array of sums for one tile of dE/dX.
        added_parts: products that are computed before they are added up. 4x3x224x224 with 64 of 7x7, stride 2, took 82
            with 2 MiB, 58 with 4 and 51 with 8.
        added_positions: largest number of positions in one product, since BLAS allocates memory for them.
        added_rows: least number of rows of W^T in one product.
        added_lines: least length of a tile of dE/dX, in spans of the window, so that few outputs are computed twice.
    """

    tile: int = 3 * MIB
    small_work: int = 2**23
    fewest_tiles: int = 4
    sums: int = 4
    large_sum: int = MIB
    gathered: int = 2**16
    gathered_work: int = 2**18
    one_thread: int = 2**13
    row_tile: int = 2 * MIB
    row_products: int = MIB
    shared_rows: int = 3
    row_width: int = 32
    row_work: int = 2**7
    row_length: int = 2**5
    few_filters: int = 4
    transformed_float64: int = 120
    transformed_float32: int = 200
    block: int = 256
    spectra: int = 2**20
    spectra_at_once: int = 2**18
    added: int = 2**8
    added_sum: int = 2 * MIB
    added_parts: int = 6 * MIB
    added_positions: int = 2**13
    added_rows: int = 48
    added_lines: int = 4


MEASURED = Measured()

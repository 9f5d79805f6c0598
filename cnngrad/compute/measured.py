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
        tile: the columns and outputs of one tile. dE/dW of 4x3x224x224, 64 of 7x7, stride 2, in float64 took 52 with
            0.5 MiB, 41 with 1 and 37 with 3 or 4: beyond the second-level cache, but then threads seldom wait for
            Python's lock.
        small_work: multiplications that one thread does in a millisecond; larger work is cut into at least
            `fewest_tiles` tiles.
        fewest_tiles: the least number of tiles for such work, which keeps as many threads busy.
        sums: partial sums of a small dE/dW; a fixed number, so that rounding does not depend on the threads.
        large_sum: size of dE/dW above which each job computes some channels of its own.
        gathered: elements of all windows, and of X, up to which one index gathers them. Forward and backward of 16x16
            with 3x3 take a fifth of the other ways' time, of 64x64 two thirds.
        gathered_work: multiplications up to which the same way is used: OpenBLAS does so few in one thread.
        one_thread: numbers of an operand up to which BLAS takes one thread, even for a product of two vectors.
        row_tile: the columns and outputs of one tile of the rows way. 1024x1024 with 3x3 took 3.7 with 2 MiB
            and 5.2 with 4.
        row_products: products of rows that are added up at once.
        shared_rows: the least ratio of a tile's rows to those that it shares with its neighbour, so that most rows are
            copied only once.
        row_width: the least width of a part of a row that is worth a product of its own.
        row_work: the least number of multiplications for a row of O that is worth a product of its own.
        row_length: the least length of a row of dE/dO that is worth a product of its own.
        few_filters: filters for which copying columns takes longer than narrow products: dE/dX of 400x400 with 31 of
            31x31, which has one filter, took 4.1 s by columns and 2.4 by rows; 600x50x400 with 12 of 4x3 0.19 and 0.29.
        transformed_float64: filter elements from which a transform is quicker. 512x512 with 11x11 took 4.3 by a
            transform and 5.0 by rows.
        transformed_float32: the same in float32, since transforms go through float64: 15x15 4.0 and 4.0, 21x21 4.3
            and 6.6.
        block: numbers on each axis of a block that is transformed, or four times the filter's. 512x512 with 15x15 took
            7.6 with 128, 4.6 with 256 and 10 with 512.
        spectra: numbers in the spectra of all filters and a block.
        spectra_at_once: numbers in the products of a block with some filters, which each thread holds.
        added: filter elements up to which dE/dX is computed by adding up; beyond that each element contributes too
            little per addition.
        added_sum: the array of sums for one tile of dE/dX.
        added_parts: the products that are computed before they are added up. 4x3x224x224 with 64 of 7x7, stride 2, took
            82 with 2 MiB, 58 with 4 and 51 with 8.
        added_positions: the most positions in one product, since BLAS allocates memory for them.
        added_rows: the least number of rows of W^T in one product.
        added_lines: the least length of a tile of dE/dX, in spans of the window, so that few outputs are computed
            twice.
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

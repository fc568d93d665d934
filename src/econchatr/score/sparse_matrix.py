"""Matrices of which only the cells that are not 0 are kept: what counts of words need, in numpy alone.

Why not scipy and scikit-learn: docs/decisions/0022-base-install.md. The tests hold both beside this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Whole = NDArray[np.int64]

_ROWS_AT_ONCE: Final = 256
"""Rows multiplied at once, so that a long matrix takes no more memory than a short one."""


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix, row by row."""

    values: _Floats
    columns: _Whole
    """Of each value."""
    ends: _Whole
    """Where each row begins, and where the last one ends."""
    n_columns: int

    def __len__(self) -> int:
        return len(self.ends) - 1

    def row(self, place: int) -> _Whole:
        """Which columns of a row hold something."""
        return self.columns[self.ends[place] : self.ends[place + 1]]

    def take(self, rows: Sequence[int] | _Whole) -> SparseMatrix:
        """Take these rows, in this order."""
        places, ends = self._find(np.asarray(rows, dtype=np.int64))
        return SparseMatrix(self.values[places], self.columns[places], ends, self.n_columns)

    def transpose(self) -> SparseMatrix:
        """Turn columns into rows."""
        order = np.argsort(self.columns, kind="stable")
        ends = _add_up(np.bincount(self.columns, minlength=self.n_columns))
        return SparseMatrix(self.values[order], self._rows()[order], ends, len(self))

    def add_up(self, weights: _Floats | _Whole) -> _Floats:
        """Multiply with one column of weights: for each row, the sum of its values by the weights of their columns."""
        return self._sum_rows(self.values * weights[self.columns])

    def times(self, other: SparseMatrix) -> _Floats:
        """Multiply with a matrix that has a row for each column here; the product is dense."""
        starts = range(0, len(self), _ROWS_AT_ONCE)
        parts = [self.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(self)))) for start in starts]
        return np.concatenate([np.zeros((0, other.n_columns)), *(part._times(other) for part in parts)])

    def lengths(self) -> _Floats:
        """The Euclidean length of each row."""
        return np.sqrt(self._sum_rows(self.values**2))

    def scale(self, factors: _Floats) -> SparseMatrix:
        """Multiply each row with its factor."""
        return SparseMatrix(self.values * factors[self._rows()], self.columns, self.ends, self.n_columns)

    def to_dense(self) -> _Floats:
        """Write out the 0 of every other cell."""
        dense = np.zeros((len(self), self.n_columns))
        dense[self._rows(), self.columns] = self.values
        return dense

    def _sum_rows(self, values: _Floats) -> _Floats:
        return np.bincount(self._rows(), values, minlength=len(self)).astype(np.float64)

    def _rows(self) -> _Whole:
        return np.repeat(np.arange(len(self)), np.diff(self.ends))

    def _find(self, rows: _Whole) -> tuple[_Whole, _Whole]:
        """Where the values of these rows stand, one row after the other, and where each row then ends."""
        n_values = np.diff(self.ends)[rows]
        ends = _add_up(n_values)
        return np.repeat(self.ends[rows] - ends[:-1], n_values) + np.arange(ends[-1]), ends

    def _times(self, other: SparseMatrix) -> _Floats:
        places, ends = other._find(self.columns)
        n_products = np.diff(ends)
        cells = np.repeat(self._rows(), n_products) * other.n_columns + other.columns[places]
        products = np.repeat(self.values, n_products) * other.values[places]
        sums = np.bincount(cells, products, minlength=len(self) * other.n_columns).astype(np.float64)
        return sums.reshape(len(self), other.n_columns)


def _add_up(counts: _Whole) -> _Whole:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def stack_blocks(first: SparseMatrix, second: SparseMatrix) -> SparseMatrix:
    """Put one matrix below and to the right of another."""
    return SparseMatrix(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.columns, second.columns + first.n_columns]),
        np.concatenate([first.ends, second.ends[1:] + first.ends[-1]]),
        first.n_columns + second.n_columns,
    )


def choose_terms(documents: Iterable[Sequence[str]], n_most: int) -> dict[str, int]:
    """Number the `n_most` commonest terms, in order of the alphabet."""
    counts = Counter(term for document in documents for term in document)
    terms = sorted(counts)
    # Which of the terms as common as the last one are in is left to numpy's sort, as scikit-learn leaves it: another
    # choice would move every Voice measured so far (by up to 0.01 on the demo).
    commonest = (-np.array([counts[term] for term in terms], dtype=np.int64)).argsort()[:n_most]
    return {term: place for place, term in enumerate(sorted(terms[one] for one in commonest))}


def count_terms(documents: Sequence[Sequence[str]], terms: Mapping[str, int]) -> SparseMatrix:
    """Count in each document the terms that have a number; others are left out."""
    values, columns, lengths = list[int](), list[int](), list[int]()
    for document in documents:
        counts = Counter(place for term in document if (place := terms.get(term)) is not None)
        lengths.append(len(counts))
        for place, n in sorted(counts.items()):
            columns.append(place)
            values.append(n)
    ends = _add_up(np.array(lengths, dtype=np.int64))
    return SparseMatrix(np.array(values, dtype=np.float64), np.array(columns, dtype=np.int64), ends, len(terms))

"""Our small sparse matrix beside scipy's, and our counts of terms beside scikit-learn's."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from econchatr.score.sparse_matrix import SparseMatrix, choose_terms, count_terms, stack_blocks
from econchatr.score.speech import split_tokens
from tests.helpers.show_material import demo_show


def draw(n_rows: int, n_columns: int, seed: int) -> tuple[SparseMatrix, sparse.csr_matrix]:
    """The same matrix as ours and as scipy's; some rows are empty."""
    theirs = sparse.random(n_rows, n_columns, density=0.05, format="csr", random_state=seed)
    ends = theirs.indptr.astype(np.int64)
    return SparseMatrix(theirs.data, theirs.indices.astype(np.int64), ends, n_columns), theirs


def test_products_are_scipys_also_beyond_the_rows_taken_at_once() -> None:
    (one, their_one), (other, their_other) = draw(700, 90, 1), draw(90, 40, 2)
    assert np.array_equal(one.times(other), (their_one @ their_other).toarray())
    weights = np.arange(90.0)
    assert np.allclose(one.add_up(weights), their_one @ weights, rtol=1e-12)


def test_rows_columns_and_lengths_are_scipys() -> None:
    one, theirs = draw(50, 30, 3)
    assert np.array_equal(one.take([7, 3, 7]).to_dense(), theirs[[7, 3, 7]].toarray())
    assert np.array_equal(one.transpose().to_dense(), theirs.T.toarray())
    assert np.allclose(one.lengths(), sparse.linalg.norm(theirs, axis=1))
    assert np.array_equal(one.scale(np.arange(50.0)).to_dense(), (sparse.diags(np.arange(50.0)) @ theirs).toarray())


def test_blocks_stand_below_and_to_the_right() -> None:
    (one, their_one), (other, their_other) = draw(5, 6, 4), draw(7, 8, 5)
    theirs = sparse.block_diag([their_one, their_other]).toarray()
    assert np.array_equal(stack_blocks(one, other).to_dense(), theirs)


def test_a_product_with_no_rows_is_empty() -> None:
    nothing = count_terms([], {"a": 0})
    assert nothing.times(draw(1, 4, 6)[0]).shape == (0, 4)


def test_terms_and_their_counts_are_scikit_learns() -> None:
    documents = [split_tokens(pair.reply) for pair in demo_show().take("host", "train")]
    theirs = CountVectorizer(analyzer=list, max_features=150)
    counts = theirs.fit_transform(documents)
    terms = choose_terms(documents, 150)
    assert terms == theirs.vocabulary_
    assert np.array_equal(count_terms(documents, terms).to_dense(), counts.toarray())

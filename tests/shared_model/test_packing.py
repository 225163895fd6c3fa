"""Arrays in pieces, and back."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import tensorflow as tf
from hypothesis import given, settings

from dbsl_tf.shared_model.packing import Packing, StatePacking, WeightPacking

SHAPES = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=6)


class PackingTest(tf.test.TestCase):
    @settings(max_examples=40)
    @given(SHAPES, st.integers(1, 5), st.sampled_from([(), (3,)]))
    def test_nothing_is_lost_and_pieces_are_even(self, shapes, pieces, leading):
        random = np.random.default_rng(0)
        values = [random.normal(size=(*leading, *shape)).astype(np.float32) for shape in shapes]
        packing = Packing(shapes, pieces)
        packed = packing.pack([tf.constant(value) for value in values])
        arrays = packing.pack_arrays(values)
        self.assertEqual([piece.shape[-1] for piece in packed], packing.piece_sizes)
        self.assertLessEqual(max(packing.piece_sizes) - min(packing.piece_sizes), 1)
        self.assertEqual(len(packed), min(pieces, sum(int(np.prod(shape)) for shape in shapes)))
        for piece, array in zip(packed, arrays, strict=True):
            self.assertAllEqual(piece, array)
        for restored in (packing.unpack(packed), packing.unpack_arrays(arrays)):
            for value, back in zip(values, restored, strict=True):
                self.assertAllEqual(value, back)

    def test_first_come_the_first(self):
        packing = Packing([(2,), (2, 2)], 2)
        first, second = packing.pack_arrays([np.array([1, 2]), np.array([[3, 4], [5, 6]])])
        self.assertAllEqual(first, [1, 2, 3])
        self.assertAllEqual(second, [4, 5, 6])

    def test_nothing_is_no_piece(self):
        packing = Packing([], 2)
        self.assertEqual((packing.pack([]), packing.unpack([])), ([], []))
        self.assertEqual((packing.pack_arrays([]), packing.unpack_arrays([])), ([], []))

    @settings(max_examples=40)
    @given(SHAPES, st.integers(0, 6), st.integers(1, 5))
    def test_statistics_are_apart_where_they_are_told_apart(self, shapes, trainable, pieces):
        trainable = min(trainable, len(shapes))
        values = [np.full(shape, index < trainable, bool) for index, shape in enumerate(shapes)]
        packing = WeightPacking(shapes, pieces, trainable)
        arrays = packing.pack_arrays(values)
        for index, array in enumerate(arrays):
            self.assertAllEqual(array, np.full_like(array, index < packing.piece_counts[0]))
        for value, back in zip(values, packing.unpack_arrays(arrays), strict=True):
            self.assertAllEqual(value, back)
        for size, array in zip(packing.part(0).piece_sizes, arrays[: packing.piece_counts[0]]):
            self.assertEqual(size, array.size)
        together = WeightPacking(shapes, pieces).pack_arrays(values)
        self.assertEqual([array.size for array in together], Packing(shapes, pieces).piece_sizes)

    @settings(max_examples=40)
    @given(st.lists(st.sampled_from([(), (2,), (3, 2)]), max_size=6), st.sampled_from([(), (3,)]))
    def test_scalars_of_a_state_are_apart(self, shapes, leading):
        random = np.random.default_rng(0)
        values = [random.normal(size=(*leading, *shape)).astype(np.float32) for shape in shapes]
        packing = StatePacking(shapes, 2)
        arrays = packing.pack_arrays(values)
        packed = packing.pack([tf.constant(value) for value in values])
        self.assertEqual(len(arrays), len(packing.exact))
        scalars = [value for value, shape in zip(values, shapes) if not shape]
        self.assertEqual(sum(packing.exact), bool(scalars))
        if scalars:
            self.assertAllEqual(arrays[-1], np.stack(scalars, -1))
        for piece, array in zip(packed, arrays, strict=True):
            self.assertAllEqual(piece, array)
        for restored in (packing.unpack(packed), packing.unpack_arrays(arrays)):
            for value, back in zip(values, restored, strict=True):
                self.assertAllEqual(value, back)


if __name__ == "__main__":
    tf.test.main()

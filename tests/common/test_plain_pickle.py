"""Pickles of plain data, honest and not: what is not plain is refused and nothing executed."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.common.plain_pickle import (
    ARRAYS,
    ARRAYS_AND_SCALARS,
    PickledArray,
    RefusedPickle,
    load_plain,
    plain,
)

NUMERIC = ["?", *(kind + size for kind in "iu" for size in "1248"), "f2", "f4", "f8"]
DAMAGE = (ValueError, TypeError, AttributeError, EOFError, MemoryError, pickle.UnpicklingError)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda items: (
        st.lists(items, max_size=4) | st.dictionaries(st.text(max_size=8), items, max_size=4)
    ),
    max_leaves=20,
)


def read(content: bytes) -> object:
    return plain(load_plain(content, encoding="latin1", admitted=ARRAYS_AND_SCALARS))


class _Call:
    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


class TestPlainPickle:
    @given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
    def test_plain_data_comes_back(self, value, protocol):
        assert read(pickle.dumps(value, protocol)) == value

    def test_a_small_file_of_very_many_containers_is_refused(self):
        with pytest.raises(pickle.UnpicklingError, match="more than 500,000 containers"):
            read(b"\x80\x04" + 600_000 * b"]" + b".")

    def test_arrays_and_scalars_of_every_type_order_and_protocol(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for code in NUMERIC:
                for order in "<>":
                    array = np.arange(6).astype(order + code if code != "?" else "?").reshape(2, 3)
                    for variant in (array, np.asfortranarray(array), array[:, ::2], array[:0]):
                        back = read(pickle.dumps({"a": [variant]}, protocol))["a"][0]
                        np.testing.assert_array_equal(back, variant)
                        assert back.dtype.kind == variant.dtype.kind
                    assert read(pickle.dumps(array[1, 2], protocol)) == array[1, 2].item()

    def test_nested_arrays_of_objects_are_lists(self):
        objects = np.empty(2, object)
        objects[:] = [{"loss": [1.5]}, np.array([None, np.arange(3)], object)]
        first, second = read(pickle.dumps(objects))
        assert first == {"loss": [1.5]}
        assert second[0] is None
        np.testing.assert_array_equal(second[1], [0, 1, 2])

    def test_other_types_are_refused(self):
        for value in ({1, 2}, b"bytes", 1j, np.array(["a"]), np.zeros(2, "M8[s]"), {(1, 2): 3}):
            with pytest.raises((ValueError, RefusedPickle)):
                read(pickle.dumps(value))
        for value in (OrderedDict(), Path("x"), np.random.default_rng(), np.zeros(1, "f8,i4")):
            with pytest.raises((RefusedPickle, ValueError)):
                read(pickle.dumps(value))


class TestMaliciousPickle:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path, monkeypatch):
        self.folder = tmp_path
        monkeypatch.chdir(tmp_path)

    def test_calls_are_refused_by_name_wherever_they_hide(self):
        touch = "touch executed"
        calls = {
            r"(posix|nt)\.system": _Call(os.system, touch),
            r"builtin(s|__)\.eval": _Call(eval, f"__import__('os').system({touch!r})"),
            r"builtin(s|__)\.exec": _Call(exec, f"import os; os.system({touch!r})"),
            r"builtin(s|__)\.getattr": _Call(getattr, "os", "system"),
            r"(subprocess|commands)\.Popen": _Call(__import__("subprocess").Popen, touch, -1),
            r"numpy\.load": _Call(np.load, "executed"),
        }
        for name, call in calls.items():
            objects = np.empty((1, 1), object)
            objects[0, 0] = {"deep": [call]}
            hidden = (call, {"x": [call]}, [np.zeros(2), call], objects, {"key": objects})
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                for value in hidden:
                    with pytest.raises(RefusedPickle, match=name):
                        read(pickle.dumps(value, protocol))
        assert os.listdir() == []

    def test_every_way_of_naming_is_refused(self):
        for content in (
            b"cposix\nsystem\n(S'touch executed'\ntR.",
            b"(S'touch executed'\niposix\nsystem\n.",
            b"(cposix\nsystem\nS'touch executed'\no.",
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0etouch executed\x85R.",
            b"cdbsl_tf.common.plain_pickle\nPickledArray.to_array\n.",
            b"cnumpy\nndarray.tofile\n.",
            b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        ):
            with pytest.raises(RefusedPickle):
                read(content)
        with pytest.raises(pickle.UnpicklingError):
            read(b"P0\n.")  # a persistent object
        assert os.listdir() == []

    def test_no_pickle_can_alter_what_it_is_given(self):
        before = dict(vars(PickledArray))
        for name in (
            b"cnumpy\nndarray\n",
            b"cnumpy\ndtype\n",
            b"c_codecs\nencode\n",
            b"cnumpy.core.multiarray\n_reconstruct\n",
        ):
            for state in (b"}S'shape'\nI7\ns", b"N}S'__doc__'\nS'altered'\ns\x86"):
                with pytest.raises(DAMAGE):
                    read(name + state + b"b.")
        assert dict(vars(PickledArray)) == before
        for maker in ARRAYS.values():
            assert maker.__doc__ != "altered"

    def test_huge_sizes_take_no_memory(self):
        wide = pickle.dumps(np.zeros(2))
        huge_shape = wide.replace(b"K\x02\x85", b"\x8a\x06\xff\xff\xff\xff\xff\x7f\x85", 1)
        assert huge_shape != wide
        for content in (
            b"\x80\x04r" + struct.pack("<I", 2**32 - 2) + b"N.",  # memo
            b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".",
            b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",  # bytes
            b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",  # text
            b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",  # frame
            huge_shape,
        ):
            with pytest.raises(DAMAGE):
                read(content)

    def test_lists_that_contain_themselves_or_multiply_end(self):
        itself: list = []
        itself.append([itself, itself])
        with pytest.raises(ValueError, match="deep"):
            read(pickle.dumps(itself))
        bomb: list = [0.0]
        for _ in range(15):
            bomb = [bomb] * 1000  # 10^45 zeros when written out
        assert len(read(pickle.dumps(bomb))) == 1000

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_altered_and_cut_pickles_never_call_anything(self, data):
        stream = io.BytesIO()
        pickle.dump({"a": [1.5, np.float64(2)], "b": np.arange(3.0)}, stream, protocol=2)
        content = bytearray(stream.getvalue())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(0, len(content)))]
        try:
            value = read(bytes(content))
        except Exception:
            return
        assert isinstance(value, (dict, list, int, float, str, np.ndarray, type(None)))

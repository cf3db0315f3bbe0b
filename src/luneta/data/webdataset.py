"""WebDataset shards: plain tar files whose members share a name before the first dot; read in place, never unpacked."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from luneta.data.captions import caption_lines
from luneta.data.images import SUFFIXES
from luneta.data.raw import RawTable
from luneta.data.records import table_of
from luneta.errors import DatasetError
from luneta.progress import track

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
_PREFERRED = ("jpg", "jpeg", "png", "webp")  # where a sample holds its picture twice
_MAX_TEXT = 16 << 20  # a longer .txt or .json is no caption
_BLOCK = 512


@dataclass
class _Sample:
    """Members of one key: where its pictures lie, and its texts."""

    images: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    texts: list[tuple[str, bytes]] = field(default_factory=list)
    problem: str | None = None


def read_shards(paths: Sequence[Path], name: str) -> RawTable:
    """The samples of tar shards: one row a sample.

    Columns: `image` (where the picture lies), `txt` (the lines of .txt members), one for every other text member
    (`pt-BR` for 0001.pt-BR.txt), every field of the .json member, and `__key__`.

    Raises:
        DatasetError: a shard is missing, damaged or compressed, or there are no pictures in any.
    """
    records: list[dict[str, Any]] = []
    images: list[tuple[str, int, int, str] | None] = []
    broken: dict[int, str] = {}
    with track("reading shards", len(paths)) as advance:
        for path in paths:
            for key, sample in _samples(path).items():
                record, problem = _record(key, sample)
                if problem:
                    broken[len(records)] = problem
                records.append(record)
                images.append(_image(path, sample))
            advance(1)
    if not any(images):
        raise DatasetError(f"{name}: no pictures in {len(paths)} shard(s); expected members such as 0001.jpg, 0001.txt")
    label = paths[0].name if len(paths) == 1 else f"{paths[0].name} ... {paths[-1].name}"
    table = table_of(records).append_column("image", _places(images))
    return RawTable(name, table, label, (), broken)


def _places(images: Sequence[tuple[str, int, int, str] | None]) -> pa.StructArray:
    archives, offsets, sizes, members = zip(*(image or (None,) * 4 for image in images), strict=True)
    return pa.StructArray.from_arrays(
        [
            pa.array(archives, pa.string()).dictionary_encode(),
            pa.array(offsets, pa.int64()),
            pa.array(sizes, pa.int64()),
            pa.array(members, pa.string()),
        ],
        names=["archive", "offset", "size", "member"],
    )


def _samples(path: Path) -> dict[str, _Sample]:
    samples: dict[str, _Sample] = {}
    try:
        with path.open("rb") as stream:
            _check_plain(path, stream.read(2))
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isfile():
                    _add(samples, archive, member)
            end = archive.offset
        with path.open("rb") as stream:  # tarfile takes a broken header in the middle for the end
            stream.seek(end)
            if any(stream.read(_BLOCK)):
                raise tarfile.ReadError(f"no valid header at byte {end:,}")
    except tarfile.TarError as error:
        raise DatasetError(
            f"shard {path} is damaged after {len(samples)} samples ({error}); fetch or write it again"
        ) from None
    except OSError as error:
        raise DatasetError(f"shard {path} cannot be read: {error.strerror or error}") from error
    return samples


def _check_plain(path: Path, head: bytes) -> None:
    if kind := _COMPRESSED.get(head):
        raise DatasetError(f"shard {path} is compressed with {kind}; pictures are read in place, so unpack it to .tar")


def _add(samples: dict[str, _Sample], archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    folder, slash, file_name = member.name.rpartition("/")
    key, dot, ending = file_name.partition(".")
    if not key or not dot:  # hidden files, and files without an ending
        return
    sample = samples.setdefault(folder + slash + key, _Sample())
    kind = ending.rpartition(".")[2].lower()
    if "." + kind in SUFFIXES:
        sample.images.setdefault(kind, (member.offset_data, member.size, member.name))
    elif kind in ("txt", "json"):
        content = archive.extractfile(member) if member.size <= _MAX_TEXT else None
        if content is None:
            sample.problem = f"{file_name} is too large for captions ({member.size:,} bytes)"
        else:
            sample.texts.append((ending, content.read()))


def _image(path: Path, sample: _Sample) -> tuple[str, int, int, str] | None:
    if not sample.images:
        return None
    kind = next((kind for kind in _PREFERRED if kind in sample.images), next(iter(sample.images)))
    return (str(path), *sample.images[kind])


def _record(key: str, sample: _Sample) -> tuple[dict[str, Any], str | None]:
    """A sample's metadata and captions, and what is wrong with them."""
    record: dict[str, Any] = {"__key__": key}
    problem = sample.problem
    for ending, content in sample.texts:
        column, _, kind = ending.rpartition(".")
        try:
            text = content.decode("utf-8-sig")
            fields = _json_fields(text) if kind.lower() == "json" else {_text_column(column): _lines(text)}
        except UnicodeError:
            problem = f"its .{ending} is not UTF-8, or holds a lone surrogate"
        except (ValueError, RecursionError):  # ValueError: also a number of more than 4300 digits
            problem = f"its .{ending} is not JSON"
        else:
            for name, value in fields.items():
                known = record.get(name)
                record[name] = known + value if isinstance(known, list) and isinstance(value, list) else value
    return record, problem


def _lines(text: str) -> list[str]:
    """One caption a line; a file without any is one empty caption, so that it is reported as such."""
    return caption_lines(text) or [""]


def _text_column(ending: str) -> str:
    """0001.txt and 0001.2.txt are captions; 0001.pt-BR.txt are captions in a column of that name."""
    return "txt" if not ending or ending.isdigit() else ending


def _json_fields(text: str) -> dict[str, Any]:
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate raises UnicodeEncodeError
    if isinstance(value, str):
        return {"caption": value}
    if isinstance(value, list):
        return {"captions": value}
    if not isinstance(value, dict):
        return {}
    return {("json_" + name if name in ("image", "__key__", "txt") else name): cell for name, cell in value.items()}

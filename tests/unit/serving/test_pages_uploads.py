"""Uploaded data sets: whatever an archive claims, nothing leaves its folder, and nothing grows beyond the limits."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("gradio")

from luneta.data.sources import open_dataset
from luneta.errors import LunetaError
from luneta.serving.pages import uploads
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.uploads import Limits, laid_out

LIMITS = Limits(max_files=50, max_bytes=1 << 20)


def picture(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes], **how: int) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def tarred(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> str:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return str(path)


def refused(uploads: list[str], folder: Path, limits: Limits = LIMITS) -> str:
    with pytest.raises(Refusal) as caught:
        laid_out(uploads, folder, limits)
    return caught.value.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inner" / "most"
    made.mkdir(parents=True)
    return made


def everything_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


GOOD = {
    "shop/images/a.png": picture("red"),
    "shop/images/b.png": picture("blue"),
    "shop/table.csv": b"image,text\nimages/a.png,a red thing\nimages/b.png,a blue thing\n",
    "shop/readme.md": b"passed over",
    "shop/.hidden.csv": b"passed over",
    "__MACOSX/shop/table.csv": b"passed over",
    "shop/evil.py": b"passed over",
}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_a_whole_archive_becomes_a_data_set(tmp_path: Path, folder: Path, kind: str) -> None:
    path = tmp_path / f"data.{kind}"
    if kind == "zip":
        zipped(path, GOOD)
    else:
        mode = {"tar": "w", "tgz": "w:gz"}.get(kind, f"w:{kind.removeprefix('tar.')}")
        tarred(path, [(tarfile.TarInfo(name), data) for name, data in GOOD.items()], mode)
    opened = laid_out([str(path)], folder, LIMITS)
    assert everything_below(folder) == {"shop/images/a.png", "shop/images/b.png", "shop/table.csv"}
    data = open_dataset(opened, within=folder)
    assert sorted(data.texts) == ["a blue thing", "a red thing"]
    assert [image.open().size for image in data.images] == [(16, 16)] * 2


def test_a_table_with_its_pictures_becomes_a_data_set(tmp_path: Path, folder: Path) -> None:
    files = {"a.png": picture(), "t.jsonl": json.dumps({"image": "a.png", "text": "red"}).encode()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    data = open_dataset(laid_out([str(tmp_path / name) for name in files], folder, LIMITS), within=folder)
    assert (data.texts, data.n_images) == (["red"], 1)


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv", "a/" * 12 + "evil.csv",
             "x" * 250 + ".csv", "line\nbreak.csv", "..", "\u202eevil.csv"]
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, folder: Path, name: str) -> None:
    before = everything_below(tmp_path)
    assert refused([tarred(tmp_path / "evil.tar", [(tarfile.TarInfo(name), b"a,b\n")])], folder) == "lab_bad_name"
    assert refused([zipped(tmp_path / "evil.zip", {name: b"a,b\n"})], folder) == "lab_bad_name"
    assert everything_below(tmp_path) - before == {"evil.tar", "evil.zip"}


def test_links_and_devices_are_passed_over(tmp_path: Path, folder: Path) -> None:
    members = []
    for name, kind in (("link.csv", tarfile.SYMTYPE), ("hard.csv", tarfile.LNKTYPE), ("fifo.csv", tarfile.FIFOTYPE)):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        members.append((member, b""))
    assert refused([tarred(tmp_path / "links.tar", members)], folder) == "lab_nothing_in_upload"
    linked = zipfile.ZipInfo("link.csv")
    linked.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr(linked, "/etc/passwd")
    assert refused([str(tmp_path / "links.zip")], folder) == "lab_nothing_in_upload"
    assert everything_below(folder) == set()


def test_what_is_larger_than_it_says_is_stopped(tmp_path: Path, folder: Path) -> None:
    """A megabyte of zeros is a kilobyte in a zip; the count is of what is really written."""
    bomb = zipped(tmp_path / "bomb.zip", {"a.csv": bytes(100 << 20)})
    assert Path(bomb).stat().st_size < 200_000
    assert refused([bomb], folder) == "lab_too_large"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= LIMITS.max_bytes + (1 << 20)


def test_a_size_that_lies_is_of_no_use(tmp_path: Path, folder: Path) -> None:
    path = Path(zipped(tmp_path / "lies.zip", {"a.csv": b"a,b\n" * 1_000_000}))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 10)  # the directory says: ten bytes
    path.write_bytes(bytes(data))
    assert refused([str(path)], folder) in ("lab_damaged", "lab_too_large")
    assert sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) <= LIMITS.max_bytes + (1 << 20)


def gnu_header(name: str, kind: bytes, size: int) -> bytes:
    """A header of a tar, whatever follows it."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def test_what_is_passed_over_counts_too(tmp_path: Path, folder: Path) -> None:
    zeros = bytes(LIMITS.max_bytes + 1)
    bomb = tarred(tmp_path / "junk.tar.bz2", [(tarfile.TarInfo("junk.bin"), zeros)], "w:bz2")
    assert Path(bomb).stat().st_size < 1000
    assert refused([bomb], folder) == "lab_too_large"
    assert everything_below(folder) == set()


def test_little_does_not_become_much(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FREE_BYTES", 100_000)
    rows = [(tarfile.TarInfo("a.csv"), b"a,b\n" * 200_000)]
    bomb = tarred(tmp_path / "a.tar.bz2", rows, "w:bz2")
    assert refused([bomb], folder) == "lab_too_large"
    assert refused([zipped(tmp_path / "b.zip", {"b.csv": rows[0][1]})], folder) == "lab_too_large"
    whole = tarred(tmp_path / "a.tar", rows)
    laid_out([whole], tmp_path / "whole", LIMITS)
    assert (tmp_path / "whole" / "a.csv").stat().st_size == 800_000


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_headers_are_short(tmp_path: Path, folder: Path, kind: bytes) -> None:
    size = 32 << 20
    path = tmp_path / "name.tar.gz"
    with gzip.open(path, "wb") as written:
        written.write(gnu_header("././@LongLink", kind, size))
        written.write(bytes(size))
        written.write(gnu_header("a.csv", tarfile.REGTYPE, 0) + bytes(1024))
    tracemalloc.start()
    try:
        assert refused([str(path)], folder, Limits(50, 1 << 30)) == "lab_damaged"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_sparse_file_is_refused(tmp_path: Path, folder: Path) -> None:
    member = tarfile.TarInfo("hole.csv")
    member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(4 << 20)}
    member.size = 1
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(b"x"))
    assert refused([str(tmp_path / "s.tar")], folder) == "lab_damaged"


def test_who_waits_for_it_can_stop_it(tmp_path: Path, folder: Path) -> None:
    """Between any two pieces, also of what is passed over."""

    class Stopped(BaseException):
        pass

    def check() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise Stopped

    zeros = bytes(8 << 20)
    tar = tarred(tmp_path / "x.tar.gz", [(tarfile.TarInfo("junk.bin"), zeros)], "w:gz")
    (tmp_path / "plain.csv").write_bytes(zeros)
    for upload in (tar, zipped(tmp_path / "x.zip", {"a.csv": zeros}), str(tmp_path / "plain.csv")):
        calls: list[int] = []
        (folder / "plain.csv").unlink(missing_ok=True)
        with pytest.raises(Stopped):
            laid_out([upload], folder, Limits(50, 1 << 30), check)
        assert len(calls) == 4
        assert sum(each.stat().st_size for each in folder.rglob("*.csv")) <= 8 << 20
        for each in folder.rglob("*.csv"):
            each.unlink()


def test_a_zip_packed_in_other_ways_is_refused(tmp_path: Path, folder: Path) -> None:
    """Python unpacks a whole piece of those at once, twenty thousand times as large."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / f"{method}.zip", "w", method) as archive:
            archive.writestr("a.csv", "a,b\n")
        assert refused([str(tmp_path / f"{method}.zip")], folder) == "lab_zip_method"


def test_a_zip_that_lists_too_much_is_not_read(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = zipped(tmp_path / "usual.zip", {f"{i}.csv": b"x" for i in range(40)})
    monkeypatch.setattr(uploads, "LARGEST_DIRECTORY", 1000)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refused([usual], folder) == "lab_too_many_files"
    monkeypatch.undo()
    data = Path(usual).read_bytes()
    at = data.rindex(b"PK\5\6")
    wide = tmp_path / "wide.zip"
    wide.write_bytes(data[:at] + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + data[at:])
    assert refused([str(wide)], folder) == "lab_too_many_files"


def test_xz_takes_no_more_memory_than_it_may(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tar.xz"
    plain = Path(tarred(tmp_path / "x.tar", [(tarfile.TarInfo("a.csv"), b"a,b\n" * 50_000)])).read_bytes()
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 << 20}]
    path.write_bytes(lzma.compress(plain, filters=filters))
    assert refused([str(path)], folder) == "lab_damaged"
    path.write_bytes(lzma.compress(plain[:70_000], preset=9) + bytes(8) + lzma.compress(plain[70_000:], preset=9))
    laid_out([str(path)], folder, LIMITS)  # of several streams
    assert (folder / "a.csv").stat().st_size == 200_000
    path.write_bytes(path.read_bytes()[:-40])
    assert refused([str(path)], tmp_path / "cut") == "lab_damaged"


def test_too_many_files_are_stopped(tmp_path: Path, folder: Path) -> None:
    many = zipped(tmp_path / "many.zip", {f"{i}.txt": b"x" for i in range(LIMITS.max_files + 1)})
    assert refused([many], folder) == "lab_too_many_files"
    assert len(everything_below(folder)) == LIMITS.max_files


def test_one_name_twice_is_refused(tmp_path: Path, folder: Path) -> None:
    twice = tarred(tmp_path / "t.tar", [(tarfile.TarInfo("a.csv"), b"1"), (tarfile.TarInfo("./a.csv"), b"2")])
    assert refused([twice], folder) == "lab_twice"
    under = tmp_path / "other"
    under.mkdir()
    inside_a_file = tarred(
        tmp_path / "u.tar", [(tarfile.TarInfo("a.csv"), b"1"), (tarfile.TarInfo("a.csv/b.csv"), b"2")]
    )
    assert refused([inside_a_file], under) == "lab_twice"


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04" + bytes(100), b"\x1f\x8b" + bytes(50)])
def test_damaged_archives_are_refused(tmp_path: Path, folder: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert refused([str(tmp_path / name)], folder) in ("lab_damaged", "lab_nothing_in_upload")


def test_a_cut_archive_is_refused(tmp_path: Path, folder: Path) -> None:
    path = Path(tarred(tmp_path / "x.tar.gz", [(tarfile.TarInfo("a.csv"), bytes(range(256)) * 500)], "w:gz"))
    path.write_bytes(path.read_bytes()[:-300])
    assert refused([str(path)], folder) == "lab_damaged"


def test_nothing_uploaded_is_refused(folder: Path) -> None:
    assert refused([], folder) == "lab_no_upload"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.png"
    path.write_bytes(picture("green"))
    return path


def test_a_table_opens_no_picture_outside_of_its_folder(tmp_path: Path, folder: Path, secret: Path) -> None:
    mine = folder / "mine.png"
    mine.write_bytes(picture())
    names = [str(secret), "../../secret.png", f"file://{secret}", "../../missing.png"]
    lines = [f"{name},text {i}" for i, name in enumerate(names)]
    (folder / "t.csv").write_text("\n".join(["image,text", "mine.png,mine", *lines]))
    data = open_dataset(folder, within=folder, max_bad_share=1)
    assert data.texts == ["mine"]
    outside = [row.reason for row in data.skipped if "missing" in row.source or str(secret.name) in row.source]
    assert len(set(outside) - {"a web address: download the picture first"}) == 1  # whether it is there is not told
    with pytest.raises(LunetaError):
        open_dataset(folder, within=folder)


def test_a_table_opens_no_archive_outside_of_its_folder(tmp_path: Path, folder: Path, secret: Path) -> None:
    """Tables of our own reader of shards name archives and places in them; one that was uploaded may not."""
    place = {"archive": str(secret), "offset": 0, "size": secret.stat().st_size, "member": "x.png"}
    pq.write_table(pa.table({"image": [place], "text": ["stolen"]}), folder / "t.parquet")
    assert open_dataset(folder, max_bad_share=1).images[0].open().size == (16, 16)  # without the limit it would
    with pytest.raises(LunetaError):
        open_dataset(folder, within=folder, max_bad_share=1)


def test_a_folder_of_judged_queries_names_no_folder_of_pictures(tmp_path: Path, folder: Path, secret: Path) -> None:
    (folder / "images.jsonl").write_text(json.dumps({"image_id": "0", "file_name": secret.name}) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"query_id": "0", "text": "stolen"}) + "\n")
    (folder / "qrels.tsv").write_text("query_id\timage_id\tscore\n0\t0\t1\n")
    about = {"schema": "luneta.judged/1", "name": "x", "images": str(tmp_path), "language": "en"}
    (folder / "judged.json").write_text(json.dumps(about))
    with pytest.raises(LunetaError):
        open_dataset(folder, within=folder, max_bad_share=1)


def test_what_has_made_room_for_others_is_told(tmp_path: Path, folder: Path) -> None:
    assert refused([str(tmp_path / "gone.zip")], folder) == "lab_upload_gone"
    assert refused([str(tmp_path / "gone.csv")], folder) == "lab_upload_gone"

"""The decoder: every oddity a picture file can have, made in the test and compared with an independent reference."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import tarfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from luneta.data import images
from luneta.data.images import MAX_PIXELS, decode_image, read_header
from luneta.data.references import ArrowImage, EncodedImageRef, FileImage, TarImage, digest
from luneta.errors import ConfigError, ImageError
from luneta.types import ImageRef


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """A picture in which every corner and direction can be told from every other."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 7 * 36], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.int64]]:
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes whose header promises any number of pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "format", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "AVIF", "JPEG", "JPEG2000", "QOI", "ICO"]
)
def test_every_format_comes_out_as_rgb(format: str) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "ICO": {"sizes": [(24, 16)]}}
    image = decode_image(encoded(gradient(), format, **options.get(format, {})))
    assert image.size == (24, 16)
    error = np.abs(pixels(image) - pixels(gradient()))
    assert error.mean() < 25 if format in ("JPEG", "AVIF", "GIF") else error.max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_marks_are_obeyed_once(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(gradient(), format, exif=exif)
    image = decode_image(data)
    with Image.open(io.BytesIO(data)) as plain:
        expected = ImageOps.exif_transpose(plain).convert("RGB")
    assert np.array_equal(pixels(image), pixels(expected))
    assert image.size == ((16, 24) if orientation >= 5 else (24, 16))
    assert np.array_equal(pixels(ImageOps.exif_transpose(image)), pixels(image)), "a second reader turns it again"


def test_an_unreadable_orientation_mark_does_not_lose_the_picture() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode_image(data).size == (24, 16)


def test_cmyk() -> None:
    image = decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert np.abs(pixels(image) - [255, 0, 0]).max() <= 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = decode_image(encoded(Image.fromarray(values), "PNG"))
    assert np.array_equal(pixels(image)[..., 0], np.rint(values / 257).astype(int))
    assert np.array_equal(pixels(image)[..., 0], pixels(image)[..., 2])


def test_equal_sixteen_bit_values_stay_equal_between_pictures() -> None:
    dark, bright = (np.full((4, 4), v, dtype=np.uint16) for v in (257 * 3, 257 * 200))
    assert pixels(decode_image(encoded(Image.fromarray(dark), "PNG")))[0, 0, 0] == 3
    assert pixels(decode_image(encoded(Image.fromarray(bright), "PNG")))[0, 0, 0] == 200


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 128.0, 255.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 32767.5, 65535.0]], np.float32), [0, 128, 255]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, 0.0, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[-7.0, -7.0, -7.0]], np.float32), [0, 0, 0]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
        (np.array([[0, 7, 255]], np.int32), [0, 7, 255]),
    ],
)
def test_integers_and_floats_are_scaled_by_what_they_hold(values: Any, expected: list[int]) -> None:
    assert pixels(decode_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colours(mode: str) -> None:
    source = gradient().convert(mode)
    assert np.array_equal(pixels(decode_image(encoded(source, "PNG"))), pixels(source.convert("RGB")))


def half_transparent() -> Image.Image:
    image = Image.new("RGBA", (4, 1), (200, 0, 0, 255))
    image.putpixel((1, 0), (200, 0, 0, 0))
    image.putpixel((2, 0), (200, 0, 0, 128))
    return image


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ((255, 255, 255), [[200, 0, 0], [255, 255, 255], [227, 127, 127]]),
        ((0, 0, 0), [[200, 0, 0], [0, 0, 0], [100, 0, 0]]),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_transparency_is_laid_on_the_background(
    format: str, background: tuple[int, int, int], expected: list[list[int]]
) -> None:
    image = decode_image(encoded(half_transparent(), format), background=background)
    assert np.abs(pixels(image)[0, :3] - expected).max() <= 1


def test_grey_with_alpha() -> None:
    source = Image.new("LA", (2, 1), (40, 255))
    source.putpixel((1, 0), (40, 0))
    assert pixels(decode_image(encoded(source, "PNG")))[0].tolist() == [[40, 40, 40], [255, 255, 255]]


def test_palette_with_transparency() -> None:
    source = Image.new("P", (2, 1), 0)
    source.putpalette([10, 20, 30, 200, 100, 50])
    source.putpixel((1, 0), 1)
    assert pixels(decode_image(encoded(source, "PNG", transparency=1)))[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    by_entry = encoded(source, "PNG", transparency=bytes([255, 0]))
    assert pixels(decode_image(by_entry))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_one_colour_marked_transparent() -> None:
    source = Image.new("RGB", (2, 1), (9, 9, 9))
    source.putpixel((1, 0), (1, 2, 3))
    data = encoded(source, "PNG", transparency=(1, 2, 3))
    assert pixels(decode_image(data))[0].tolist() == [[9, 9, 9], [255, 255, 255]]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_give_their_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert np.abs(pixels(decode_image(data)) - [255, 0, 0]).max() <= 2
    assert read_header(data).animated
    assert not read_header(encoded(frames[0], format)).animated


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_truncated_files_are_bad(format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, format)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(ImageError):
            decode_image(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match="truncated"):
        decode_image(encoded(noise, "JPEG")[:2000])


def test_a_bomb_is_refused_from_its_header() -> None:
    with pytest.raises(ImageError, match=r"million"):
        decode_image(png_claiming(60_000, 60_000))
    with pytest.raises(ImageError, match="more than 179 million pixels"):
        decode_image(png_claiming(14_000, 13_000))
    with pytest.raises(ImageError, match="24 x 16 pixels"):
        decode_image(encoded(gradient(), "PNG"), max_pixels=383)
    assert decode_image(encoded(gradient(), "PNG"), max_pixels=384).size == (24, 16)


def test_a_large_but_allowed_picture_gives_no_warning() -> None:
    width, height = 12_000, 8_000  # between the sizes at which Pillow warns and refuses
    assert 89_478_485 < width * height < MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_header(png_claiming(width, height)).width) == width
        with pytest.raises(ImageError, match=r"truncated|damaged"):
            decode_image(png_claiming(width, height))


def test_threads_that_open_large_pictures_leave_the_warning_filters_alone() -> None:
    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns as often as they can
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read_header, [png_claiming(12_000, 8_000)] * 400))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


def test_filters_are_changed_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Image.open

    def watched(*arguments: Any, **options: Any) -> Any:
        assert images._quiet_lock.locked()
        return original(*arguments, **options)

    monkeypatch.setattr(Image, "open", watched)
    assert read_header(encoded(gradient(), "PNG")).format == "PNG"


def test_a_thread_of_a_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="too thin"):
        decode_image(encoded(Image.new("RGB", (1, 2000)), "PNG"))
    assert decode_image(encoded(Image.new("RGB", (1, 1)), "PNG")).size == (1, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text", "not a picture in a known format"),
        (b"\n<!DOCTYPE html><html><body>404", "an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0" * 1000, "not a picture in a known format"),
        (b"\x89PNG\r\n\x1a\n", "truncated|damaged"),
        (b"\xff\xd8\xff", "truncated|damaged"),
        (b"GIF89a", "truncated|damaged"),
    ],
)
def test_what_is_not_a_picture_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode_image(data)
    assert len(caught.value.reason) < 120


@settings(max_examples=300)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO", "QOI"]), st.data())
def test_damage_gives_a_picture_or_an_image_error(format: str, data: st.DataObject) -> None:
    good = bytearray(encoded(gradient(), format))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(ImageError):
            assert decode_image(bytes(good), max_pixels=1_000_000).mode == "RGB"


def test_header() -> None:
    header = read_header(encoded(gradient().convert("CMYK"), "JPEG"))
    assert (header.format, header.mode, header.width, header.height) == ("JPEG", "CMYK", 24, 16)


def test_references_read_the_same_picture_wherever_it_lies(tmp_path: Path) -> None:
    data = encoded(gradient(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "first.png")
        archive.add(tmp_path / "a.png", "dir/a.png")
    with tarfile.open(tmp_path / "s.tar") as archive:
        offset = archive.getmember("dir/a.png").offset_data
    column = pa.chunked_array([pa.array([b"x"]), pa.array([b"y", data, None])])
    references: list[ImageRef] = [
        FileImage(str(tmp_path / "a.png")),
        ArrowImage(column, 2, "row 2"),
        TarImage(str(tmp_path / "s.tar"), offset, len(data), "dir/a.png"),
    ]
    for reference in references:
        assert isinstance(reference, EncodedImageRef)
        assert reference.key() == digest(data)
        assert len(reference.key()) == 32
        assert np.array_equal(pixels(reference.open()), pixels(gradient()))
        assert not hasattr(reference, "__dict__"), "references must stay light"
        assert pickle.loads(pickle.dumps(reference)).key() == reference.key()  # noqa: S301
    assert references[2].label.endswith("s.tar/dir/a.png")
    with pytest.raises(ImageError, match="no picture"):
        ArrowImage(column, 3, "row 3").open()


def test_references_to_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        FileImage(str(tmp_path / "gone.png")).key()
    with pytest.raises(ImageError, match="a folder"):
        FileImage(str(tmp_path)).open()
    with pytest.raises(ImageError, match="cannot be read"):
        FileImage("a\0b.png").open()
    (tmp_path / "s.tar").write_bytes(b"123")
    with pytest.raises(ImageError, match="truncated"):
        TarImage(str(tmp_path / "s.tar"), 1, 100, "a.png").open()
    with pytest.raises(ImageError, match="cannot be read"):
        TarImage(str(tmp_path / "gone.tar"), 1, 100, "a.png").open()


def test_arrow_pictures_are_not_copied() -> None:
    blob = b"q" * 10_000_000
    column = pa.chunked_array([pa.array([blob])])
    before = pa.total_allocated_bytes()
    buffer = ArrowImage(column, 0, "").read()
    assert len(buffer) == len(blob)
    assert pa.total_allocated_bytes() == before


def test_threads_decode_to_the_same_pixels() -> None:
    files = [encoded(gradient(40 + i, 30), ["JPEG", "PNG", "WEBP", "TIFF", "GIF"][i % 5]) for i in range(50)]
    alone = [pixels(decode_image(data)) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decode_image, files * 4))
    for index, image in enumerate(together):
        assert np.array_equal(pixels(image), alone[index % 50])


def test_the_transparent_value_of_16_bit_grey() -> None:
    """Values that only 16 bits tell apart: one is transparent, its neighbour is not."""
    values = np.array([[0, 1, 300, 65535]] * 4, dtype=">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 4, 4, 16, 0, 0, 0, 0)
    for transparent, wanted in ((0, [255, 0, 1, 255]), (1, [0, 255, 1, 255]), (300, [0, 0, 255, 255])):
        parts = [(b"IHDR", header), (b"tRNS", struct.pack(">H", transparent)), (b"IDAT", zlib.compress(rows))]
        data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in [*parts, (b"IEND", b"")])
        assert pixels(decode_image(data))[0, :, 0].tolist() == wanted
    assert pixels(decode_image(data, background=(9, 8, 7)))[0, 2].tolist() == [9, 8, 7]


def test_pillow_told_to_pass_over_missing_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ConfigError, match=r"LOAD_TRUNCATED_IMAGES is True.*set it to False"):
        decode_image(encoded(gradient(), "JPEG"))


def test_files_too_large_to_be_pictures_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sparse.jpg").open("wb") as stream:
        stream.truncate(1 << 43)
    wanted = "file of 8,192.0 GiB, more than 1 GiB, the limit"
    for image in (
        FileImage(str(tmp_path / "sparse.jpg")),
        TarImage(str(tmp_path / "sparse.jpg"), 512, 1 << 43, "x.jpg"),
    ):
        for read in (image.open, image.key, image.read):
            with pytest.raises(ImageError, match=wanted):
                read()
    monkeypatch.setattr("luneta.data.references.MAX_BYTES", 1 << 62)
    with pytest.raises(ImageError, match="not enough memory to read it"):
        FileImage(str(tmp_path / "sparse.jpg")).read()

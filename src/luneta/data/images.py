"""Encoded pictures to RGB: the only decoder of the house.

Whatever comes in (CMYK, 16 bits, palettes, transparency, rotation marks, animations), 8-bit RGB of the upright
first frame comes out, or an ImageError whose reason fits a table cell. Everything here may be called from many threads.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from luneta.errors import ConfigError, ImageError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO", "QOI")
"""What is decoded. Formats that run other programs (EPS) or that any bytes resemble (TGA, PCX) stay out."""

_ENDINGS = "jpg jpeg jpe jfif png apng webp gif bmp dib tif tiff ppm pgm pbm pnm avif jp2 j2k ico qoi"
SUFFIXES = frozenset("." + ending for ending in _ENDINGS.split())
"""File name endings by which pictures are found in folders and archives, lower case."""

MAX_PIXELS = 178_956_970
"""Pictures with more pixels are refused before they are decoded; twice what Pillow warns at, where it refuses too."""

MAX_ASPECT = 1000
"""Pictures longer than this many times their width are refused: resizing the short side would explode the other."""

WHITE = (255, 255, 255)

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
    Warning,
)
"""What Pillow's readers raise on damaged files."""

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_ORIENTATION_HOMES = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_STILL = frozenset({"ICO", "MPO"})  # several sizes or views of one picture
_WARN_WHILE_LOADING = frozenset({"TIFF", "ICO"})  # and TIFF turns the picture upright by itself

_FOREIGN = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<svg", "an SVG drawing: export it as PNG"),
    (b"<?xml", "XML: an SVG drawing must be exported as PNG"),
    (b"%pdf", "a PDF: export its pages as PNG"),
    (b"%!ps", "PostScript: export it as PNG"),
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
    (b"pk\x03\x04", "a ZIP archive"),
)

_quiet_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a picture's header says, before decoding.

    Attributes:
        format: Pillow's name of the file format, such as "JPEG".
        mode: Pillow's name of the pixel layout as stored, such as "RGB", "CMYK", "P" or "I;16".
        width: pixels as stored, before a rotation mark is obeyed.
        height: likewise.
        animated: there is more than one frame; the first is what is decoded.
    """

    format: str
    mode: str
    width: int
    height: int
    animated: bool


def decode_image(
    data: bytes | pa.Buffer, *, background: tuple[int, int, int] = WHITE, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """The upright first frame of an encoded picture as 8-bit RGB.

    Transparency is laid on `background`. CMYK and palettes are converted as Pillow does, without colour management.
    16-bit grey is divided by 257; other integer and float pictures as `_wide_to_grey` says.

    Raises:
        ImageError: empty, foreign, damaged or truncated data, or more than `max_pixels` pixels.
        ConfigError: Pillow was told to pass over missing pixels, so truncated data would not be noticed.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ConfigError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True, so a picture cut short would pass as whole; set it to False"
        )
    image = _open(data, max_pixels)
    try:
        if image.format in _WARN_WHILE_LOADING:
            with _quiet():
                image.load()
        else:
            image.load()
    except MemoryError:
        raise ImageError("not enough memory to decode it") from None
    except _BROKEN as error:
        raise ImageError(_damage(error)) from error
    return _to_rgb(_upright(image), background)


def read_header(data: bytes | pa.Buffer) -> ImageHeader:
    """What the header says; the pixels are not touched.

    Raises:
        ImageError: empty, foreign or damaged data.
    """
    image = _open(data, max_pixels=None)
    with _quiet():
        try:
            animated = image.format not in _STILL and bool(getattr(image, "is_animated", False))
        except _BROKEN as error:
            raise ImageError(_damage(error)) from error
    return ImageHeader(image.format or "?", image.mode, image.width, image.height, animated)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns about odd headers; we either decode a picture or refuse it, so nobody needs to be told twice.

    Python's warning filters are shared by all threads, hence the lock. It is held only while headers are parsed,
    which is Python code under the interpreter's own lock anyway; decoding runs outside.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def _open(data: bytes | pa.Buffer, max_pixels: int | None) -> ImageFile.ImageFile:
    if len(data) == 0:
        raise ImageError("empty file")
    with _quiet():
        try:
            image = Image.open(_stream(data), formats=FORMATS)
        except UnidentifiedImageError:
            raise ImageError(_foreign(bytes(memoryview(data)[:256]))) from None
        except Image.DecompressionBombError:
            if max_pixels is None or max_pixels > MAX_PIXELS:
                raise ImageError("too many pixels for Pillow's own limit, PIL.Image.MAX_IMAGE_PIXELS") from None
            raise ImageError(f"more than {max_pixels / 1e6:.0f} million pixels, the limit") from None
        except _BROKEN as error:
            raise ImageError(_damage(error)) from error
    width, height = image.size
    if max_pixels is not None:
        if width * height > max_pixels:
            raise ImageError(f"{width} x {height} pixels, more than {max_pixels / 1e6:.4g} million, the limit")
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ImageError(f"{width} x {height} pixels: too thin for a picture")
    return image


def _stream(data: bytes | pa.Buffer) -> io.BytesIO:
    if isinstance(data, bytes):
        return io.BytesIO(data)  # shares the bytes, no copy
    import pyarrow as pa

    stream: io.BytesIO = pa.BufferReader(data)  # reads from the Arrow memory, no copy
    return stream


def _foreign(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, name in _FOREIGN:
        if start.startswith(magic):
            return f"not a picture but {name}"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "HEIC is not supported: convert it to JPEG"
    return "not a picture in a known format, or damaged from its first bytes on"


def _damage(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated file"
    return f"damaged file ({text[:80] or type(error).__name__})"


def _upright(image: ImageFile.ImageFile) -> Image.Image:
    """The picture as its orientation mark (EXIF or XMP) says it was seen."""
    if image.format in _WARN_WHILE_LOADING or not any(home in image.info for home in _ORIENTATION_HOMES):
        return image
    with _quiet():
        try:
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        except _BROKEN:
            return image  # the mark is unreadable, the picture is not
    method = _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    try:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            image = _wide_to_grey(image)
        if image.has_transparency_data:
            rgb = _on_background(image.convert("RGBA"), background)
        else:
            rgb = image if image.mode == "RGB" else image.convert("RGB")
    except MemoryError:
        raise ImageError("not enough memory to decode it") from None
    except _BROKEN as error:
        raise ImageError(f"cannot turn {image.mode} into RGB") from error
    rgb.info = {}  # above all no orientation mark, which a later reader would obey again
    return rgb


def _on_background(rgba: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    alpha = rgba.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return rgba.convert("RGB")
    flat = Image.new("RGB", rgba.size, background)
    flat.paste(rgba, mask=alpha)
    return flat


def _wide_to_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits -> 8 bits.

    16 bits are divided by 257, whatever they hold, so that equal values stay equal between pictures. 32-bit
    integers and floats carry no range of their own: values within 0..1 (floats), 0..255 or 0..65535 are taken as
    such, anything else is stretched from its minimum to its maximum. Not-a-number becomes black. A value that the file
    calls transparent becomes an alpha channel, for it cannot be told from its neighbours in 8 bits.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        scale, offset = 255 / 65535, 0.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        scale, offset = 255.0, 0.0
    elif low >= 0 and high <= 255:
        scale, offset = 1.0, 0.0
    elif low >= 0 and high <= 65535:
        scale, offset = 255 / 65535, 0.0
    else:
        scale, offset = 255 / (high - low) if high > low else 0.0, low
    grey = Image.fromarray(np.clip(np.rint((values - offset) * scale), 0, 255).astype(np.uint8))
    if isinstance(transparent := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def thumbnail_jpeg(image: Image.Image, max_px: int) -> bytes:
    """An RGB picture, its longer side at most `max_px` (never enlarged), as JPEG bytes."""
    small = image.copy()
    small.thumbnail((max_px, max_px))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()

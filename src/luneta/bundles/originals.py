"""The pictures of a bundle where they lie, for what small pictures are too small for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from luneta.bundles.items import names_of_images
from luneta.data.sources import open_dataset
from luneta.errors import ImageError, LunetaError
from luneta.types import ImageRef

if TYPE_CHECKING:
    from PIL.Image import Image


class _Original:
    """A picture, found by its name when it is opened; an `ImageRef`."""

    __slots__ = ("_key", "_pictures", "label")

    def __init__(self, label: str, key: str, pictures: _Pictures) -> None:
        self.label, self._key, self._pictures = label, key, pictures

    def key(self) -> str:
        return self._key

    def open(self) -> Image:
        ref = self._pictures.named(self.label)
        if ref.key() != self._key:
            raise ImageError("not the picture that was indexed: bring the bundle up to date")
        return ref.open()


class _Pictures:
    """The data set, opened when first needed."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = dict(source)
        self._refs: dict[str, ImageRef] | None = None

    def named(self, name: str) -> ImageRef:
        if self._refs is None:
            self._refs = self._opened()
        if name not in self._refs:
            raise ImageError("gone since it was indexed")
        return self._refs[name]

    def _opened(self) -> dict[str, ImageRef]:
        if not self._source:
            raise ImageError("the bundle does not say where its pictures are")
        try:
            data = open_dataset(**self._source, max_bad_share=1.0)  # those that are left are what is wanted
        except (LunetaError, TypeError) as error:
            raise ImageError(f"the data set cannot be opened any more: {error}") from error
        return dict(zip(names_of_images(data), data.images, strict=True))


def originals(items: pa.Table, source: Mapping[str, Any]) -> Sequence[ImageRef]:
    """References to the pictures of items; nothing is opened yet.

    Args:
        items: of the image side.
        source: how `open_dataset` opens the data set; empty where nobody knows.
    """
    pictures = _Pictures(source)
    names, keys = items.column("_name").to_pylist(), items.column("_key").to_pylist()
    return [_Original(name, key, pictures) for name, key in zip(names, keys, strict=True)]

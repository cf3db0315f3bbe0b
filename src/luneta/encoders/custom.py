"""Encoders of the user's own: found by name, checked to be encoders, and watched while they work."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.encoders.inputs import list_of_texts
from luneta.encoders.outputs import unit_vectors
from luneta.errors import ConfigError, EncoderError, did_you_mean
from luneta.types import CrossEncoder, CuttingEncoder, Encoder, EncoderSpec, StagedEncoder, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image


def load_object(path: str) -> Encoder:
    """`package.module:ClassOrInstance` -> a checked encoder; a class is called without arguments.

    The module is looked for in the current folder too, which stays importable afterwards, as with `python -m`: the
    module may import its neighbours only when it needs them.

    Raises:
        ConfigError: no such module or name.
        EncoderError: it cannot be made, or is not an encoder.
    """
    return checked(found_object(path), name=path)


def names_code(name: str) -> bool:
    """Whether a name is `package.module:Object`, which loading would import and run."""
    return ":" in name and not Path(name).exists()


def found_object(path: str) -> Any:
    """What `package.module:ClassOrInstance` names; see `load_object`."""
    module_name, _, attribute = path.partition(":")
    found: Any = _import(path, module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(found) if not name.startswith("_")]
            raise ConfigError(f"{path}: {module_name} has no {part!r}. {did_you_mean(part, public)}")
        found = getattr(found, part)
    if inspect.isclass(found):
        try:
            found = found()
        except Exception as error:
            raise EncoderError(
                f"{path}: {attribute}() failed: {type(error).__name__}: {error}. A class is called without arguments; "
                "name a ready instance instead if it needs any."
            ) from error
    return found


def _import(path: str, module_name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ConfigError(f"{path}: there is no module {error.name!r} in {here} or among the packages") from error
        raise EncoderError(f"{path}: importing {module_name} failed: {error}") from error
    except Exception as error:
        raise EncoderError(f"{path}: importing {module_name} failed: {type(error).__name__}: {error}") from error


def checked(encoder: Any, *, name: str | None = None) -> Encoder:
    """`encoder`, wrapped so that what it gives is checked; staged when it is.

    Raises:
        EncoderError: it is not an encoder: something is missing, or its `spec` is not an `EncoderSpec`.
    """
    name = name or type(encoder).__name__
    if isinstance(encoder, CheckedEncoder):
        return encoder
    missing = [part for part in ("encode_images", "encode_texts") if not callable(getattr(encoder, part, None))]
    missing += [] if _has_spec(encoder) else ["spec"]
    if missing:
        raise EncoderError(
            f"{name} is not an encoder: it has no {', '.join(missing)}. An encoder has encode_images(images), "
            "encode_texts(texts) and spec; see luneta.types.Encoder."
        )
    spec = _checked_spec(name, encoder)
    return (CheckedStagedEncoder if isinstance(encoder, StagedEncoder) else CheckedEncoder)(encoder, spec)


def checked_cross_encoder(found: Any, name: str) -> CrossEncoder:
    """`found`, if it is a cross-encoder.

    Raises:
        EncoderError: it is not: something is missing.
    """
    missing = [part for part in ("name", "fingerprint") if not isinstance(getattr(found, part, None), str)]
    missing += [] if callable(getattr(found, "score", None)) else ["score"]
    if missing:
        raise EncoderError(
            f"{name} is no cross-encoder: it has no {', '.join(missing)}. A cross-encoder has a name, a fingerprint "
            "(digest of everything that decides a score; empty: it is never saved) and score(texts, pictures); see "
            "luneta.types.CrossEncoder"
        )
    return found  # type: ignore[no-any-return]


def _has_spec(encoder: Any) -> bool:
    try:
        return hasattr(encoder, "spec")
    except Exception:  # noqa: BLE001 - a property of the user's, which is there and fails: see _checked_spec
        return True


def _checked_spec(name: str, encoder: Any) -> EncoderSpec:
    """The encoder's `spec`, its dimension an int of Python whatever kind of whole number it was."""
    try:
        spec = encoder.spec
    except Exception as error:
        raise EncoderError(f"{name}: its spec cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(spec, EncoderSpec):
        raise EncoderError(f"{name}: spec is a {type(spec).__name__}, expected a luneta.EncoderSpec")
    if not isinstance(spec.embedding_dim, int | np.integer) or spec.embedding_dim < 1:
        raise EncoderError(f"{name}: spec.embedding_dim is {spec.embedding_dim!r}, expected a positive whole number")
    if not spec.name or not isinstance(spec.fingerprint, str):
        raise EncoderError(
            f"{name}: spec.name is {spec.name!r} and spec.fingerprint {spec.fingerprint!r}; expected a name, and a "
            "digest of everything that decides a vector (empty: its vectors are never kept)"
        )
    return replace(spec, embedding_dim=int(spec.embedding_dim))


class CheckedEncoder:
    """An encoder whose every answer is checked, for its shape, kind and finite numbers, and brought to unit length."""

    def __init__(self, encoder: Encoder, spec: EncoderSpec) -> None:
        self._encoder: Any = encoder
        self._spec = spec

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._encoder!r})"

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    @property
    def unchecked(self) -> Any:
        """The encoder itself, whose answers are not checked."""
        return self._encoder

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """See `luneta.types.Encoder`. Raises EncoderError when what comes back is no set of finite vectors."""
        return unit_vectors(self._encoder.encode_images(images), _numbered(images), self.spec, "encode_images")

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """See `luneta.types.Encoder`.

        Raises:
            ConfigError: something that is not a list of strings.
            EncoderError: what comes back is no set of finite vectors.
        """
        texts = list_of_texts(texts)
        return unit_vectors(self._encoder.encode_texts(texts), texts, self.spec, "encode_texts")

    def n_truncated(self, texts: Sequence[str]) -> int | None:
        """See `luneta.types.CuttingEncoder`; None when the encoder itself cannot say."""
        return self._encoder.n_truncated(texts) if isinstance(self._encoder, CuttingEncoder) else None


class CheckedStagedEncoder(CheckedEncoder):
    """The same for an encoder that prepares pictures in other threads."""

    def prepare_image(self, image: Image) -> Any:
        """See `luneta.types.StagedEncoder`."""
        return self._encoder.prepare_image(image)

    def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
        """See `luneta.types.StagedEncoder`. Raises EncoderError when what comes back is no set of finite vectors."""
        vectors = self._encoder.encode_prepared(prepared)
        return unit_vectors(vectors, _numbered(prepared), self.spec, "encode_prepared")


def _numbered(items: Sequence[Any]) -> list[str]:
    """Names for what has none."""
    return [f"picture {number} of {len(items)}" for number in range(1, len(items) + 1)]

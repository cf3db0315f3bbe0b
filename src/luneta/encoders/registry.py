"""load_encoder and load_cross_encoder: one name for any model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luneta.encoders.presets import BUNDLED, EncoderPreset, find_preset, list_encoders, preset_of_checkpoint
from luneta.errors import ConfigError, EncoderError, did_you_mean
from luneta.types import CrossEncoder, Encoder

if TYPE_CHECKING:
    from luneta.encoders.checkpoints import Checkpoint
    from luneta.encoders.families import Family

__all__ = ["EncoderPreset", "list_encoders", "load_cross_encoder", "load_encoder"]

_OBJECT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_encoder(
    name: str | os.PathLike[str] | Encoder,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
) -> Encoder:
    """An encoder by any of its names.

    Args:
        name: a preset (`siglip2-b16`; `list_encoders()` shows all), an encoder of the package (`luneta-mini`), a folder
            that `save_pretrained` wrote, a repository of the Hugging Face hub (`google/siglip2-base-patch16-224`, or
            `owner/name@revision`), a class or object of yours (`package.module:ClassOrInstance`), or an object that is
            an encoder already. A `Path` is always a folder on this machine, never a name.
        revision: branch, tag or commit of a hub repository.
        dtype: "float32", "bfloat16" or "float16": in which format products are computed. "auto" is bfloat16 where the
            hardware has it, else float32. The vectors are float32 always.
        device: "auto" (the GPU when there is one), "cpu", "cuda", "cuda:1", "mps".
        batch_size: pictures, and texts, in one forward pass; by default what suits the device.

    Returns:
        An `Encoder`; those of transformers are `StagedEncoder`s.

    Raises:
        ConfigError: a name, dtype or device that does not exist.
        EncoderError: a checkpoint that cannot be had, is pickled, damaged or incomplete, or is not what it claims.
    """
    given: dict[str, Any] = {"revision": revision, "dtype": dtype, "device": device, "batch_size": batch_size}
    if not isinstance(name, str | os.PathLike):
        from luneta.encoders.custom import checked

        _refuse_options(type(name).__name__, **given)
        return checked(name)
    if isinstance(name, str) and _OBJECT.fullmatch(name) and not Path(name).exists():
        from luneta.encoders.custom import load_object

        _refuse_options(name, **given)
        return load_object(name)

    from luneta.encoders.families import FAMILIES
    from luneta.encoders.hf import HFEncoder

    checkpoint, languages = _checkpoint(name, revision, FAMILIES)
    return HFEncoder(checkpoint, dtype=dtype, device=device, batch_size=batch_size, languages=languages)


def load_cross_encoder(
    name: str | os.PathLike[str] | CrossEncoder,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    weight: float = 1.0,
    counts: str = "probability",
) -> CrossEncoder:
    """What looks at a text and a picture together, by its name.

    Args:
        name: a BLIP-2 checkpoint for image-text matching as a folder or a repository of the Hugging Face hub
            (`Salesforce/blip2-itm-vit-g-coco`, or with `@revision`), a class or object of yours
            (`package.module:ClassOrInstance`), or an object that is one already.
        revision, dtype, device: as in `load_encoder`.
        weight: of a checkpoint, how much matching counts beside the contrastive score: 1 on data like those it was
            trained on, 0.05 on others (as Zhan et al., 2025, use BLIP-2 and ELIP-B).
        counts: of matching, "probability" (0 to 1) or the "logit" of it, as the authors of BLIP-2 add it.

    Raises:
        ConfigError: a name, number or option that does not exist.
        EncoderError: a checkpoint that cannot be had, is damaged, or is of a model that does not look at both together.
    """
    given: dict[str, Any] = {
        "revision": revision, "dtype": dtype, "device": device, "weight": None if weight == 1 else weight,
        "counts": None if counts == "probability" else counts,
    }  # fmt: skip
    if not isinstance(name, str | os.PathLike):
        from luneta.encoders.custom import checked_cross_encoder

        _refuse_options(type(name).__name__, **given)
        return checked_cross_encoder(name, type(name).__name__)
    if isinstance(name, str) and _OBJECT.fullmatch(name) and not Path(name).exists():
        from luneta.encoders.custom import checked_cross_encoder, found_object

        _refuse_options(name, **given)
        return checked_cross_encoder(found_object(name), name)

    from luneta.encoders.families import MATCHERS
    from luneta.encoders.matching import HFMatcher

    checkpoint, _ = _checkpoint(name, revision, MATCHERS)
    return HFMatcher(checkpoint, dtype=dtype, device=device, weight=weight, counts=counts)


def _checkpoint(
    name: str | os.PathLike[str], revision: str | None, families: Mapping[str, Family]
) -> tuple[Checkpoint, tuple[str, ...]]:
    """The checkpoint of a name, and its languages where somebody has written them down."""
    from luneta.encoders.checkpoints import download, open_folder

    label = os.fspath(name)
    if isinstance(name, str):
        plain, revision = _split_revision(name, revision)
        folder, preset = _resolve(plain)
    else:
        plain, folder, preset = label, _folder(Path(name).expanduser()), None
    languages = preset.languages if preset else ()
    if folder is not None:
        if revision is not None:
            raise ConfigError(f"{plain} is a folder and has no revisions, but {revision!r} was asked for")
        return open_folder(label, folder, families=families), languages
    repository = preset.checkpoint if preset else plain
    pinned = preset.revision if preset else None
    return download(label, repository, revision or pinned, families), languages


def _split_revision(name: str, revision: str | None) -> tuple[str, str | None]:
    """`owner/name@revision` -> (owner/name, revision), unless that is how a folder here is called."""
    plain, at, named = name.partition("@")
    if not at or Path(name).expanduser().exists():
        return name, revision
    if not named:
        raise ConfigError(f"{name!r} names no revision after its @; write {plain}@REVISION, or {plain}")
    if revision is not None and revision != named:
        raise ConfigError(f"{name!r} names the revision {named!r}, but revision={revision!r} was given; keep one")
    return plain, named


def _folder(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.exists():
        raise EncoderError(f"{path} is a file; a checkpoint is the folder that save_pretrained wrote")
    raise EncoderError(f"{path}: there is no such folder")


def _resolve(name: str) -> tuple[Path | None, EncoderPreset | None]:
    """(folder, None): a checkpoint of the user's; (folder, preset): one of the package; (None, ...): on the hub."""
    if not name.strip() or "\0" in name:
        raise ConfigError(f"{name!r} names no encoder: give a preset, a folder, a hub id or package.module:Class")
    if preset := find_preset(name):
        return (Path(preset.checkpoint) if preset.name in BUNDLED else None), preset
    folder = Path(name).expanduser()
    if folder.exists():
        return _folder(folder), None
    if name.lower() in BUNDLED:
        raise EncoderError(f"{name} is missing from this installation; install luneta again")
    if _HUB_ID.fullmatch(name):
        return None, preset_of_checkpoint(name)
    if os.sep in name or name.startswith((".", "~")):
        return _folder(folder), None
    raise ConfigError(
        f"unknown encoder {name!r}. {did_you_mean(name, [preset.name for preset in list_encoders()])} It can also be a "
        "folder, a hub id (owner/name), or package.module:Class."
    )


def _refuse_options(name: str, **given: str | float | None) -> None:
    for option, value in given.items():
        if value not in (None, "auto"):
            raise ConfigError(
                f"{option}={value!r} cannot be given for {name}, an object of your own; decide it inside the object"
            )

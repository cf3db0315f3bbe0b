"""load_encoder: one name for any encoder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from luneta.encoders.presets import BUNDLED, EncoderPreset, find_preset, list_encoders, preset_of_checkpoint
from luneta.errors import ConfigError, EncoderError, did_you_mean
from luneta.types import Encoder

__all__ = ["EncoderPreset", "list_encoders", "load_encoder"]

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
            that `save_pretrained` wrote, a repository of the Hugging Face hub (`google/siglip2-base-patch16-224`), a
            class or object of yours (`package.module:ClassOrInstance`), or an object that is an encoder already.
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
    if not isinstance(name, str | os.PathLike):
        from luneta.encoders.custom import checked

        _refuse_options(type(name).__name__, revision, dtype, device, batch_size)
        return checked(name)
    name = os.fspath(name)
    if _OBJECT.fullmatch(name) and not Path(name).exists():
        from luneta.encoders.custom import load_object

        _refuse_options(name, revision, dtype, device, batch_size)
        return load_object(name)

    from luneta.encoders.checkpoints import download, open_folder
    from luneta.encoders.hf import HFEncoder

    folder, preset = _resolve(name)
    if folder is not None:
        if revision is not None:
            raise ConfigError(f"{name} is a folder and has no revisions, but revision={revision!r} was given")
        checkpoint = open_folder(name, folder)
    else:
        repository = preset.checkpoint if preset else name
        pinned = preset.revision if preset else None
        checkpoint = download(name, repository, revision or pinned)
    languages = preset.languages if preset else ()
    return HFEncoder(checkpoint, dtype=dtype, device=device, batch_size=batch_size, languages=languages)


def _resolve(name: str) -> tuple[Path | None, EncoderPreset | None]:
    """(folder, None): a checkpoint of the user's; (folder, preset): one of the package; (None, ...): on the hub."""
    if preset := find_preset(name):
        return (Path(preset.checkpoint) if preset.name in BUNDLED else None), preset
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, None
    if folder.is_file():
        raise EncoderError(f"{name} is a file; a checkpoint is the folder that save_pretrained wrote")
    if name.lower() in BUNDLED:
        raise EncoderError(f"{name} is missing from this installation; install luneta again")
    if _HUB_ID.fullmatch(name):
        return None, preset_of_checkpoint(name)
    if os.sep in name or name.startswith((".", "~")):
        raise EncoderError(f"{name}: there is no such folder")
    raise ConfigError(
        f"unknown encoder {name!r}. {did_you_mean(name, [preset.name for preset in list_encoders()])} It can also be a "
        "folder, a hub id (owner/name), or package.module:Class."
    )


def _refuse_options(name: str, revision: str | None, dtype: str, device: str, batch_size: int | None) -> None:
    given = {"revision": revision, "batch_size": batch_size}
    given |= {key: value for key, value in (("dtype", dtype), ("device", device)) if value != "auto"}
    for option, value in given.items():
        if value is not None:
            raise ConfigError(
                f"{option}={value!r} cannot be given for {name}, an object of your own; decide it inside the object"
            )

"""From a name to the files of a checkpoint: a folder on disk, checked before any of it is used.

Weights are safetensors or they are refused: a pickle runs whatever code it holds when it is opened. Code that comes
with a repository is never run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.encoders.families import FAMILIES, MATCHERS, Family
from luneta.errors import EncoderError, did_you_mean
from luneta.hub_access import hub_token

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")
_WANTED = ["*.json", "*.txt", "*.model", "model*.safetensors"]
_CONVERSION_TITLE = "Adding `safetensors` variant of this model"
_CONVERSION_AUTHOR = "SFconvertbot"


@dataclass(frozen=True)
class Checkpoint:
    """The files of one checkpoint.

    Attributes:
        name: what the user called it.
        folder: where the files are.
        revision: commit on the hub; None for a folder of the user's.
        family: how its model type treats texts.
        config: `config.json` as it stands.
        weights: the safetensors files, in order.
    """

    name: str
    folder: Path
    revision: str | None
    family: Family
    config: dict[str, Any]
    weights: tuple[Path, ...]


def open_folder(
    name: str, folder: Path, revision: str | None = None, families: Mapping[str, Family] = FAMILIES
) -> Checkpoint:
    """The checkpoint in `folder`, as `save_pretrained` of transformers writes it.

    Args:
        name: what the user called it.
        folder: where it is.
        revision: commit on the hub.
        families: model types that will do.

    Raises:
        EncoderError: no `config.json`, a model type we do not serve, weights that are missing, elsewhere, pickled,
            truncated or corrupt.
    """
    config = _read_config(name, folder)
    family = _family_of(name, config, families)
    _refuse_redirection(name, folder, config)
    weights = _weight_files(name, folder)
    for path in weights:
        _check_safetensors(name, path)
    return Checkpoint(name, folder, revision, family, config, weights)


def _read_config(name: str, folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        near = sorted(child.parent.name for child in folder.glob("*/config.json"))
        hint = f" One of its folders may be meant: {', '.join(near[:5])}." if near else ""
        raise EncoderError(
            f"{name}: {folder} holds no config.json, so it is not a transformers checkpoint. "
            f"A checkpoint is a folder that save_pretrained wrote.{hint}"
        )
    return _read_json_object(name, path)


def _read_json_object(name: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EncoderError(f"{name}: {path.name} is not readable JSON ({error}); fetch the checkpoint again") from error
    if not isinstance(value, dict):
        raise EncoderError(f"{name}: {path.name} holds a {type(value).__name__}, expected an object")
    return value


def _family_of(name: str, config: dict[str, Any], families: Mapping[str, Family]) -> Family:
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in families:
        return families[model_type]
    if model_type in MATCHERS:
        raise EncoderError(
            f"{name}: a {model_type} model looks at a text and a picture together and has no one vector for a picture, "
            "so it is no encoder. It can re-rank what an encoder finds: luneta rerank fit DATA -e ENCODER --model "
            f"{name}"
        )
    if families is MATCHERS and model_type in FAMILIES:
        raise EncoderError(
            f"{name}: a {model_type} model has vectors of texts and of pictures and does not look at both together: it "
            f"is an encoder. Known here: {', '.join(MATCHERS)}."
        )
    if "auto_map" in config:
        raise EncoderError(
            f"{name}: its model type is {model_type!r} and it brings code of its own to run (auto_map in config.json). "
            "Code from a repository is never run. Wrap the model in a class of yours that has encode_images, "
            "encode_texts and spec, and name it as package.module:Class."
        )
    raise EncoderError(
        f"{name}: its model type is {model_type!r}, which has no image and text tower that we know how to use. "
        + (did_you_mean(model_type, families) if isinstance(model_type, str) else f"Known: {', '.join(families)}.")
    )


def _refuse_redirection(name: str, folder: Path, config: dict[str, Any]) -> None:
    """No other weights than those we check and fingerprint: the library would follow these and say nothing."""
    if "transformers_weights" in config:
        raise EncoderError(
            f"{name}: config.json sends the library to weights in {config['transformers_weights']!r} "
            "(transformers_weights). Only model.safetensors, or the shards of model.safetensors.index.json, are "
            "loaded: give those weights that name, if they are the ones you mean, and take the key out."
        )
    if (folder / "adapter_config.json").is_file():
        raise EncoderError(
            f"{name}: it holds an adapter (adapter_config.json) for another model. Merge the two with peft "
            "(merge_and_unload), save the result with save_pretrained, and load that folder."
        )


def _weight_files(name: str, folder: Path) -> tuple[Path, ...]:
    """The single file or the shards that the index lists."""
    single = folder / "model.safetensors"
    if single.is_file():
        return (single,)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = _read_json_object(name, index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise EncoderError(f"{name}: {index.name} lists no weights; fetch the checkpoint again")
        files = tuple(folder / Path(str(shard)).name for shard in sorted(set(shards.values())))
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise EncoderError(f"{name}: {index.name} lists files that are not there: {', '.join(missing)}")
        return files
    pickled = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickled:
        raise EncoderError(_pickle_refusal(name, pickled))
    raise EncoderError(f"{name}: {folder} holds no weights; expected model.safetensors")


def _pickle_refusal(name: str, files: Sequence[str], converted: str | None = None) -> str:
    """What to say of pickled weights; `converted` is the `owner/name@revision` that has them as safetensors."""
    refusal = (
        f"{name}: its weights come only as {', '.join(files)}. Such a file can run any code when it is opened, so only "
        "safetensors are loaded. "
    )
    if converted:
        return refusal + f"The hub's own converter has put safetensors at {converted}: load that name."
    return refusal + (
        'If you trust it, convert it once: python -c "from transformers import AutoModel, AutoProcessor; '
        f"m, p = (C.from_pretrained({name!r}) for C in (AutoModel, AutoProcessor)); "
        "m.save_pretrained('converted'); p.save_pretrained('converted')\" and load the folder 'converted'."
    )


def _check_safetensors(name: str, path: Path) -> None:
    """Header and length agree: what a broken download or a full disk leaves does not."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            empty = not tensors.keys()
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"{name}: {path.name} is truncated or corrupt ({error}); fetch it again") from error
    if empty:
        raise EncoderError(f"{name}: {path.name} holds no tensors; fetch it again")


def download(name: str, repository: str, revision: str | None, families: Mapping[str, Family] = FAMILIES) -> Checkpoint:
    """A checkpoint of the Hugging Face hub, from its local cache where it is there already.

    Raises:
        EncoderError: no such repository or revision, no access, the hub cannot be reached, or the checkpoint is
            refused as in `open_folder`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    at, option = (f" at revision {revision!r}", f" --revision {revision}") if revision else ("", "")
    try:
        folder = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=_WANTED, ignore_patterns=["*/*"], token=hub_token()
            )
        )  # fmt: skip
    except GatedRepoError as error:
        raise EncoderError(
            f"{name}: https://huggingface.co/{repository} asks its users to agree to terms first. Agree there, then "
            "run: hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise EncoderError(f"{name}: the hub has {repository}, but no revision {revision!r} of it") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise EncoderError(
            f"{name}: neither a folder here nor a repository on the hub ({repository}). Check the spelling; a "
            "private repository needs: hf auth login"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise EncoderError(
            f"{name}: no folder of that name is here, {repository}{at} is not in the hub's cache on this machine, and "
            f"the hub cannot be reached ({type(error).__name__}). Fetch it where there is a network (hf download "
            f"{repository}{option} --local-dir FOLDER) and give the folder."
        ) from error
    if not list(folder.glob("model*.safetensors")):
        _refuse_without_safetensors(name, repository, revision)
    return open_folder(name, folder, folder.name, families)


def _refuse_without_safetensors(name: str, repository: str, revision: str | None) -> None:
    """Say what the repository has instead, if it has pickles; return if that cannot be found out."""
    from fnmatch import fnmatch

    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        files = HfApi(token=hub_token()).list_repo_files(repository, revision=revision)
        pickled = [file for file in files if "/" not in file and any(fnmatch(file, kind) for kind in _PICKLES)]
        if pickled:
            raise EncoderError(_pickle_refusal(name, pickled, _converted(repository)))
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError):
        return


def _converted(repository: str) -> str | None:
    """The `owner/name@revision` with the safetensors that the hub's own bot proposed to the owner, if it did."""
    from huggingface_hub import HfApi

    for discussion in HfApi(token=hub_token()).get_repo_discussions(
        repository, author=_CONVERSION_AUTHOR, discussion_type="pull_request"
    ):
        if discussion.title == _CONVERSION_TITLE and discussion.status in ("open", "draft"):
            return f"{repository}@refs/pr/{discussion.num}"
    return None

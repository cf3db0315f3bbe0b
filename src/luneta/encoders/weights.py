"""Weights: into the model entirely or not at all, and their digest."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from luneta.artifacts import cache_dir, hash_file, read_json, write_json
from luneta.encoders.checkpoints import Checkpoint
from luneta.errors import ArtifactError, EncoderError

_COUNTING = re.compile(r"(^|\.)(position_ids|token_type_ids)$")
_REMEMBER_ABOVE = 64 * 2**20
"""Bytes; smaller files are quicker hashed than looked up."""


def load_model(checkpoint: Checkpoint) -> Any:
    """The model in float32, in evaluation mode, with every weight from the checkpoint.

    Raises:
        EncoderError: a weight the configuration asks for is missing or has another shape, or the file holds weights
            that the configuration has no place for. Such a model would compute, and mean nothing.
    """
    import torch
    import transformers

    model_class = getattr(transformers, checkpoint.family.model_class)
    try:
        with _quiet_library():
            model, report = model_class.from_pretrained(
                checkpoint.folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # the library's checks of a configuration have no common class
        raise EncoderError(
            f"{checkpoint.name}: transformers {transformers.__version__} cannot build a {model_class.__name__} from "
            f"its config.json and weights: {error or type(error).__name__}"
        ) from error
    _refuse_partial(checkpoint, report)
    return model.requires_grad_(False).eval()


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """No progress bars and no loading report of the library's: what is wrong is raised, the rest is noise."""
    from transformers.utils import logging as library

    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.CRITICAL)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()


def _refuse_partial(checkpoint: Checkpoint, report: dict[str, Any]) -> None:
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        shapes = [f"{key} is {list(found)}, expected {list(wanted)}" for key, found, wanted in mismatched]
        raise EncoderError(
            f"{checkpoint.name}: weights do not fit config.json: {_some(shapes)}. The two come from different models."
        )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(checkpoint.family.idle_weights))
    if missing:
        raise EncoderError(
            f"{checkpoint.name}: {len(missing)} weights that config.json asks for are missing and would be random: "
            f"{_some(missing)}. Is it one tower only, or a model of another type ({checkpoint.family.model_type} is "
            "what config.json says)?"
        )
    surplus = sorted(key for key in report["unexpected_keys"] if not _may_be_left(key, checkpoint))
    if surplus:
        raise EncoderError(
            f"{checkpoint.name}: the weights hold {len(surplus)} tensors that config.json has no place for: "
            f"{_some(surplus)}. The model would run without them and give other vectors than were meant; repair "
            "config.json, or take them out of the weights if nothing needs them."
        )


def _may_be_left(key: str, checkpoint: Checkpoint) -> bool:
    """Whether no vector depends on a tensor: a table of 0, 1, 2, ... of older versions, or a head that is not read."""
    return bool(_COUNTING.search(key)) or key.startswith(checkpoint.family.idle_weights)


def _some(items: Sequence[str], n: int = 4) -> str:
    return "; ".join(items[:n]) + (f" and {len(items) - n} more" if len(items) > n else "")


def digest(path: Path) -> str:
    """SHA-256 of a file. Files of the hub's cache are named by it; other large ones are read once and remembered."""
    resolved = path.resolve()
    if resolved.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", resolved.name):
        return resolved.name
    status = resolved.stat()
    if status.st_size < _REMEMBER_ABOVE:
        return hash_file(resolved)
    remembered_in = cache_dir() / "file-hashes.json"
    known: dict[str, list[Any]] = {}
    with contextlib.suppress(ArtifactError, TypeError, ValueError):
        known = dict(read_json(remembered_in))
    stamp = [status.st_size, status.st_mtime_ns]
    if (entry := known.get(str(resolved))) and entry[:2] == stamp:
        return str(entry[2])
    found = hash_file(resolved)
    with contextlib.suppress(ArtifactError):  # a cache that cannot be written costs a second, not the job
        write_json(remembered_in, known | {str(resolved): [*stamp, found]})
    return found

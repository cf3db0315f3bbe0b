"""To the hub, when asked and not before: a checkpoint, or a data set of one's own pictures."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luneta.artifacts import write_text
from luneta.data.dataset import ImageTextDataset
from luneta.data.references import EncodedImageRef
from luneta.encoders.checkpoints import open_folder
from luneta.encoders.files import all_files
from luneta.errors import ArtifactError, ConfigError, UnreachableError
from luneta.progress import track
from luneta.types import ImageRef

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, HfApi, ModelInfo

Kind = Literal["model", "dataset"]
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
SHARD_BYTES = 400 * 2**20


def push_checkpoint(folder: Path, to: str, *, private: bool = True) -> str:
    """Upload a checkpoint to the hub: configuration, weights, tokenizer, processor, card and licence.

    Nothing else that lies in the folder leaves the machine.

    Args:
        folder: what `finetune` or `save_pretrained` wrote; weights as safetensors.
        to: owner/name of the repository, made if there is none.
        private: only its owner sees a new repository, and one that is there already must not be public.

    Returns:
        Address of the commit.

    Raises:
        ConfigError: `to` is no owner/name, or is public while `private`.
        EncoderError: the folder holds no checkpoint that loads.
        UnreachableError: the hub cannot be reached, or refuses.
    """
    _check_name(to)
    checkpoint = open_folder(str(folder), folder)
    there = _look_up(to, "model", private)
    files = {path.name: path for path in all_files(checkpoint)}
    return _upload(files, to, "model", create=there is None, private=private)


def push_dataset(dataset: ImageTextDataset, to: str, *, private: bool = True) -> str:
    """Upload a data set: pictures as they are stored, a list of captions for each, its metadata columns.

    Args:
        dataset: what `open_dataset` returns.
        to: owner/name of the repository, made if there is none.
        private: only its owner sees a new repository, and one that is there already must not be public.

    Returns:
        Address of the commit.

    Raises:
        ConfigError: `to` is no owner/name, or is public while `private`.
        UnreachableError: the hub cannot be reached, or refuses.
    """
    _check_name(to)
    there = _look_up(to, "dataset", private)
    with tempfile.TemporaryDirectory(prefix="luneta-push-") as temporary:
        folder = Path(temporary)
        write_dataset(dataset, folder, to.partition("/")[2])
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        return _upload(files, to, "dataset", create=there is None, private=private)


def write_dataset(dataset: ImageTextDataset, folder: Path, title: str) -> None:
    """A folder that the hub and `datasets` read: Parquet shards with pictures inside, and a card.

    Columns: image, captions (a list), and the metadata columns of the row a picture was first seen in.

    Raises:
        ArtifactError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    split = dataset.split or "train"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    names: list[Path] = []
    try:
        for number, rows in enumerate(_shards(dataset)):
            table = pa.Table.from_pylist(rows)
            features = {
                name: {"_type": "Image"} if name == "image" else _feature(table.schema.field(name).type)
                for name in table.column_names
            }
            about = {"huggingface": json.dumps({"info": {"features": features}})}
            path = folder / "data" / f"{split}-{number:05d}.parquet"
            pq.write_table(table.replace_schema_metadata(about), path)
            names.append(path)
    except OSError as error:
        raise ArtifactError(f"cannot write {folder}: {error.strerror or error}") from error
    for number, path in enumerate(names):
        path.rename(path.with_name(f"{split}-{number:05d}-of-{len(names):05d}.parquet"))
    write_text(folder / "README.md", _card(dataset, title, split))


def _shards(dataset: ImageTextDataset) -> Iterator[list[dict[str, Any]]]:
    """Rows of one shard after the other."""
    told = {"image", "captions", *_read_columns(dataset)}
    rows: list[dict[str, Any]] = []
    size = 0
    with track("images", dataset.n_images) as advance:
        for index, image in enumerate(dataset.images):
            content = _stored(image)
            metadata = {k: v for k, v in dataset.image_metadata(index).items() if k not in told}
            captions = [dataset.texts[int(text)] for text in dataset.texts_of(index)]
            name = image.label.rpartition("/")[2]
            rows.append({"image": {"bytes": content, "path": name}, "captions": captions, **metadata})
            size += len(content)
            advance(1)
            if size >= SHARD_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _read_columns(dataset: ImageTextDataset) -> set[str]:
    """Columns of the source that became pictures and captions: again as metadata they would be taken for more."""
    named = [part.strip() for columns in dataset.columns.values() for part in columns.split(",")]
    return {name for name in dataset.rows.column_names if name in named}


def _stored(image: ImageRef) -> bytes:
    """The bytes of a picture as they are stored; drawn and unpacked ones as PNG."""
    if isinstance(image, EncodedImageRef):
        return bytes(image.read())
    buffer = io.BytesIO()
    image.open().save(buffer, format="PNG")
    return buffer.getvalue()


def _feature(kind: Any) -> dict[str, Any]:
    """A column's type as the hub's data set viewer names it."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"_type": "List", "feature": _feature(kind.value_type)}
    return {"dtype": "string" if pa.types.is_string(kind) else str(kind), "_type": "Value"}


def _card(dataset: ImageTextDataset, title: str, split: str) -> str:
    language = f"language: [{dataset.language}]\n" if dataset.language else ""
    return (
        f"---\n{language}task_categories: [image-to-text, text-to-image]\nconfigs:\n- config_name: default\n"
        f"  data_files:\n  - split: {split}\n    path: data/{split}-*\n---\n# {title}\n\n"
        f"{dataset.n_images:,} images with {dataset.n_texts:,} captions.\n"
    )


def _check_name(to: str) -> None:
    if not _REPOSITORY.fullmatch(to):
        raise ConfigError(f"{to!r} is no repository of the hub; expected owner/name")


@contextlib.contextmanager
def _hub(to: str) -> Iterator[HfApi]:
    """The hub, and what it says of our requests as errors of ours."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield HfApi()
    except HfHubHTTPError as error:
        raise UnreachableError(
            f"the hub refuses {to}: {error.server_message or error}. Is there a token with write access (hf auth "
            "login, or HF_TOKEN), and is the owner right?"
        ) from error
    except OSError as error:
        raise UnreachableError(f"the hub cannot be reached ({error}); try again, nothing is lost") from error


def _look_up(to: str, kind: Kind, private: bool) -> ModelInfo | DatasetInfo | None:
    """What the hub has under that name, None if nothing; a public one is used only by who said so."""
    from huggingface_hub.errors import RepositoryNotFoundError

    with _hub(to) as api:
        try:
            found = api.model_info(to) if kind == "model" else api.dataset_info(to)
        except RepositoryNotFoundError:
            return None
    if private and not found.private:
        raise ConfigError(
            f"{to} is there already, and public: everyone could see what is uploaded. Say --public (private=False) if "
            "that is meant; otherwise choose another name, or make the repository private in its settings on the hub."
        )
    return found


def _upload(files: Mapping[str, Path], to: str, kind: Kind, *, create: bool, private: bool) -> str:
    """Send files, by their names in the repository, in one commit; its address."""
    from huggingface_hub import CommitOperationAdd

    with _hub(to) as api:
        if create:
            api.create_repo(to, repo_type=kind, private=private)
        commit = api.create_commit(
            to,
            [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()],
            repo_type=kind,
            commit_message="Upload with Luneta",
        )
    return str(commit.commit_url)

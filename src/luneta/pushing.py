"""To the hub, when asked and not before: a checkpoint, or a data set of one's own pictures."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    import pyarrow as pa
    from huggingface_hub import DatasetInfo, HfApi, ModelInfo

Kind = Literal["model", "dataset"]
_SPLIT = re.compile(r"\w+(\.\w+)*")
_SHARD = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}\.parquet")
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
        ArtifactError: a file cannot be read.
        UnreachableError: the hub cannot be reached, or refuses.
    """
    _check_name(to)
    checkpoint = open_folder(str(folder), folder)
    there = _look_up(to, "model", private)
    files = {path.name: path for path in all_files(checkpoint)}
    return _upload(files, to, "model", create=there is None, private=private)


def push_dataset(dataset: ImageTextDataset, to: str, *, private: bool = True) -> str:
    """Upload a data set: pictures as they are stored, a list of captions for each, its metadata columns.

    A split that the repository has already is replaced; its other splits and what its card says stay.

    Args:
        dataset: what `open_dataset` returns.
        to: owner/name of the repository, made if there is none.
        private: only its owner sees a new repository, and one that is there already must not be public.

    Returns:
        Address of the commit.

    Raises:
        ConfigError: `to` is no owner/name, or is public while `private`; the split's name is none for the hub.
        UnreachableError: the hub cannot be reached, or refuses.
    """
    _check_name(to)
    _split_of(dataset)
    there = _look_up(to, "dataset", private)
    stored = [] if there is None else [file.rfilename for file in there.siblings or []]
    with tempfile.TemporaryDirectory(prefix="luneta-push-") as temporary:
        folder = Path(temporary) / "new"
        old = _card_of(to, Path(temporary)) if "README.md" in stored else None
        write_dataset(dataset, folder, to.partition("/")[2], Stored(old, tuple(stored)))
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        own = f"data/{_split_of(dataset)}-"
        stale = [name for name in stored if name.startswith(own) and name not in files]
        return _upload(files, to, "dataset", stale, create=there is None, private=private)


@dataclass(frozen=True)
class Stored:
    """What a repository holds already.

    Attributes:
        card: its README.md, if it has one.
        names: of its files.
    """

    card: str | None = None
    names: tuple[str, ...] = ()


def _split_of(dataset: ImageTextDataset) -> str:
    """The name its shards go by."""
    split = dataset.split or "train"
    if not _SPLIT.fullmatch(split):
        raise ConfigError(
            f"{split!r} cannot be the name of a split on the hub: letters, digits, underscores and single dots only. "
            "Open one split of it, or give it a name: dataclasses.replace(dataset, split='train')"
        )
    return split


def write_dataset(dataset: ImageTextDataset, folder: Path, title: str, stored: Stored | None = None) -> None:
    """A folder that the hub and `datasets` read: Parquet shards with pictures inside, and a card.

    Columns: image, captions (a list), and the metadata columns of the row a picture was first seen in. What stands
    in the card of a repository that is there already stays, other splits too; only this split's part is new.

    Raises:
        ArtifactError: it cannot be written.
        ConfigError: the split's name is none for the hub.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    split = _split_of(dataset)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    schema = _schema(dataset)
    names: list[Path] = []
    try:
        for number, rows in enumerate(_shards(dataset)):
            path = folder / "data" / f"{split}-{number:05d}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
            names.append(path)
    except OSError as error:
        raise ArtifactError(f"cannot write {folder}: {error.strerror or error}") from error
    for number, path in enumerate(names):
        path.rename(path.with_name(f"{split}-{number:05d}-of-{len(names):05d}.parquet"))
    _write_card(dataset, folder / "README.md", title, stored or Stored())


def _shards(dataset: ImageTextDataset) -> Iterator[list[dict[str, Any]]]:
    """Rows of one shard after the other."""
    columns = _metadata_columns(dataset)
    rows: list[dict[str, Any]] = []
    size = 0
    with track("images", dataset.n_images) as advance:
        for index, image in enumerate(dataset.images):
            content = _stored(image)
            row = dataset.image_metadata(index)
            captions = [dataset.texts[int(text)] for text in dataset.texts_of(index)]
            name = image.label.rpartition("/")[2]
            rows.append(
                {"image": {"bytes": content, "path": name}, "captions": captions, **{k: row[k] for k in columns}}
            )
            size += len(content)
            advance(1)
            if size >= SHARD_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _metadata_columns(dataset: ImageTextDataset) -> list[str]:
    """Columns of the source, less those that became pictures and captions: twice they would be taken for more."""
    named = [part.strip() for columns in dataset.columns.values() for part in columns.split(",")]
    return [name for name in dataset.rows.column_names if name not in {"image", "captions", *named}]


def _stored(image: ImageRef) -> bytes:
    """The bytes of a picture as they are stored; drawn and unpacked ones as PNG."""
    if isinstance(image, EncodedImageRef):
        return bytes(image.read())
    buffer = io.BytesIO()
    image.open().save(buffer, format="PNG")
    return buffer.getvalue()


def _schema(dataset: ImageTextDataset) -> pa.Schema:
    """Columns and their types, one for all shards, with what the hub's viewer and `datasets` know them by."""
    import pyarrow as pa
    from datasets import Features, Image, List, Value

    metadata = pa.schema([dataset.rows.schema.field(name) for name in _metadata_columns(dataset)])
    own = {"image": Image(), "captions": List(Value("string"))}
    return Features({**own, **Features.from_arrow_schema(metadata)}).arrow_schema


def _card_of(to: str, folder: Path) -> str:
    with _hub(to) as api:
        path = api.hf_hub_download(to, "README.md", repo_type="dataset", local_dir=folder / "old")
    return Path(path).read_text(encoding="utf-8-sig")


def _write_card(dataset: ImageTextDataset, path: Path, title: str, stored: Stored) -> None:
    """README.md: what the hub must know of the splits, and a line for each; the rest is the owner's."""
    from huggingface_hub import metadata_load, metadata_save

    split = _split_of(dataset)
    write_text(path, stored.card or f"# {title}\n")
    about = metadata_load(path) or {}
    if dataset.language:
        known = about.get("language") or []
        known = known if isinstance(known, list) else [known]
        about["language"] = [*known, *({dataset.language} - set(known))]
    about.setdefault("task_categories", ["image-to-text", "text-to-image"])
    about.pop("dataset_info", None)  # counts and columns of what was there before, which readers would check
    about["configs"] = _configs(about.get("configs"), split, stored.names)
    line = f"{split}: {dataset.n_images:,} images with {dataset.n_texts:,} captions."
    text, found = re.subn(rf"(?m)^{re.escape(split)}: .* captions\.$", line, path.read_text(encoding="utf-8"))
    write_text(path, text if found else f"{text.rstrip()}\n\n{line}\n")
    metadata_save(path, about)


def _configs(old: Any, split: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """The hub's list of splits with one of them ours; those without an entry are told by the names of the files."""
    configs = [config for config in old if isinstance(config, dict)] if isinstance(old, list) else []
    ours = next((config for config in configs if config.get("config_name", "default") == "default"), None)
    if ours is None:
        ours = {"config_name": "default"}
        configs.insert(0, ours)
    match ours.get("data_files"):
        case [*entries] if entries and all(isinstance(entry, dict) for entry in entries):
            others = [entry for entry in entries if entry.get("split") != split]
        case None | []:
            others = [{"split": name, "path": f"data/{name}-*"} for name in _splits(names) if name != split]
        case path:  # without a name it is the training split
            others = [] if split == "train" else [{"split": "train", "path": path}]
    ours["data_files"] = [*others, {"split": split, "path": f"data/{split}-*"}]
    return configs


def _splits(names: Sequence[str]) -> list[str]:
    return sorted({found[1] for name in names if (found := _SHARD.fullmatch(name))})


def _check_name(to: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if to.count("/") != 1:
        raise ConfigError(f"{to!r} is no repository of the hub; expected owner/name")
    try:
        validate_repo_id(to)
    except HFValidationError as error:
        raise ConfigError(f"{to!r} is no repository of the hub; expected owner/name. {error}") from error


@contextlib.contextmanager
def _hub(to: str) -> Iterator[HfApi]:
    """The hub, and what it says of our requests as errors of ours."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HfHubHTTPError,
        HTTPError,  # of the library's own HTTP library, whichever that is
        LocalEntryNotFoundError,
    )

    try:
        yield HfApi()
    except HfHubHTTPError as error:
        raise UnreachableError(
            f"the hub refuses {to}: {error.server_message or error}. Is there a token with write access (hf auth "
            "login, or HF_TOKEN), and is the owner right?"
        ) from error
    except (HTTPError, ConnectionError, TimeoutError, LocalEntryNotFoundError, RuntimeError) as error:
        # the library raises RuntimeError for whatever broke the transfer of a large file
        raise UnreachableError(f"the hub cannot be reached ({error}); try again, nothing is lost") from error
    except OSError as error:
        raise ArtifactError(f"{error.filename or to} cannot be read: {error.strerror or error}") from error


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


def _upload(
    files: Mapping[str, Path], to: str, kind: Kind, stale: Sequence[str] = (), *, create: bool, private: bool
) -> str:
    """Send files, by their names in the repository, and delete those that are stale, in one commit; its address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _hub(to) as api:
        if create:
            api.create_repo(to, repo_type=kind, private=private)
        commit = api.create_commit(
            to,
            [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()),
                *(CommitOperationDelete(path_in_repo=name, is_folder=False) for name in stale),
            ],
            repo_type=kind,
            commit_message="Upload with Luneta",
        )
    return str(commit.commit_url)

"""Data sets of the Hugging Face Hub, and folders that `datasets` saved to disk."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from luneta.data import splits
from luneta.data.columns import LANGUAGE_COLUMNS
from luneta.data.hub_samples import from_parquet, from_stream, parquet_files
from luneta.data.raw import RawTable, Request, concatenate
from luneta.errors import ConfigError, DatasetError, LunetaError, UnreachableError
from luneta.hub_access import hub_token
from luneta.progress import track

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder, IterableDataset

STREAM_UP_TO = 2000
"""Samples of at most so many images are drawn without keeping the rest; for larger ones the split is downloaded."""

_CONNECTIONS = 8
_ARCHIVES = "(zip|tar|gzip|bz2|xz|zstd|lz4)"
_COMMIT = re.compile(r"[0-9a-f]{40}")

logger = logging.getLogger("luneta")


# Saved folders ------------------------------------------------------------------------------------------------


def is_saved(folder: Path) -> bool:
    """`Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote this folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(folder: Path, name: str, request: Request) -> RawTable:
    """The rows of a folder that `datasets` saved; Arrow files stay memory-mapped.

    Raises:
        ConfigError: there are splits, and none or an unknown one was chosen.
        DatasetError: the folder is damaged.
    """
    import datasets

    with _foreign_errors(str(folder)):
        if not (folder / "dataset_dict.json").is_file():
            return RawTable(name, _table(datasets.load_from_disk(str(folder))), folder.name, ((0, folder),))
        available = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
    chosen, left_over = _choose(request.split, available, name)
    parts = []
    for split in chosen:
        with _foreign_errors(str(folder / split)):
            dataset = datasets.load_from_disk(str(folder / split))
        label, said = f"{folder.name}/{split}", None if left_over else split
        parts.append(RawTable(name, _table(dataset), label, ((0, folder),), split=said))
    return concatenate(parts, split_column=len(parts) > 1)


def _table(dataset: Dataset) -> pa.Table:
    """A map-style data set's own Arrow table: pictures as they are stored, not decoded by anybody."""
    return dataset.with_format("arrow")[:].replace_schema_metadata(None)


def _choose(asked: str | None, available: Iterable[str], name: str) -> tuple[list[str], bool]:
    """The hub's splits to read, and whether the split asked for is left for a column `split` to find.

    Some data sets keep every row in one hub split and say the real one in a column.
    """
    options = list(available)
    if asked not in (None, splits.ALL) and len(options) == 1 and splits.find_split(str(asked), options) is None:
        return options, True
    return splits.choose_splits(asked, options, name), False


# The hub ------------------------------------------------------------------------------------------------------


def read_hub(source: str, request: Request) -> RawTable:
    """The rows of a data set on the hub, at one commit.

    Args:
        source: "owner/name", or "owner/name:configuration".
        request: `revision` may be a branch, tag or commit; the commit it stands for is recorded. With a `limit` of at
            most STREAM_UP_TO, only the sample is kept: see `luneta.data.hub_samples`. `sample` then records of how many
            rows it was drawn.

    Raises:
        DatasetError: no such data set, no network, no permission.
        ConfigError: the split or configuration must be chosen.
    """
    import datasets

    repository, _, configuration = source.partition(":")
    config = configuration or None
    commit = _commit(repository, request.revision)
    with _foreign_errors(source):
        available = datasets.get_dataset_split_names(repository, config, revision=commit, token=hub_token())
    chosen, left_over = _choose(request.split, available, source)
    kept = None if left_over or len(chosen) > 1 else chosen[0]
    if request.limit is not None and request.limit <= STREAM_UP_TO and len(chosen) == 1:
        with _foreign_errors(source):
            builder = datasets.load_dataset_builder(repository, config, revision=commit, token=hub_token())
            stream = builder.as_streaming_dataset(split=chosen[0])
        if not _needs_every_row(stream.features or {}, request):
            table, sample = _sample(builder, stream, chosen[0], source, request)
            label = f"{source}, {kept}"
            return RawTable(source, table, label, split=kept, revision=commit, sample=sample, within=_caches())
    parts = []
    for split in chosen:
        with _foreign_errors(source):
            dataset = datasets.load_dataset(repository, config, split=split, revision=commit, token=hub_token())
        label, said = f"{source}, {split}", None if left_over else split
        parts.append(RawTable(source, _table(dataset), label, split=said, revision=commit, within=_caches()))
    return concatenate(parts, split_column=len(parts) > 1)


def _needs_every_row(features: Mapping[str, Any], request: Request) -> bool:
    """A column will choose among the rows, so a sample of all rows would be a sample of the wrong ones."""
    columns = {name.lower() for name in features}
    by_split = request.split not in (None, splits.ALL) and "split" in columns
    return by_split or (request.language is not None and bool(columns & set(LANGUAGE_COLUMNS)))


def _sample(
    builder: DatasetBuilder, stream: IterableDataset, split: str, source: str, request: Request
) -> tuple[pa.Table, dict[str, int] | None]:
    """Rows of as many pictures as were asked for, and what to record of them; None where these are all rows."""
    import datasets

    limit, seed = request.limit or STREAM_UP_TO, request.seed
    features = stream.features or datasets.Features()
    image = request.image if request.image in features else _image_feature(features)
    with _foreign_errors(source):
        files = parquet_files(builder, split)
        if files and features:
            drawn = from_parquet(files, features, image, limit=limit, seed=seed, stage=f"streaming {source}")
        else:
            info = (builder.info.splits or {}).get(split)
            total = info.num_examples if info else None
            drawn = from_stream(stream, image, limit=limit, seed=seed, total=total, stage=f"streaming {source}")
    table = _fetched(drawn.table, image, source) if image else drawn.table
    if table.num_rows == drawn.n_rows:
        return table, None
    logger.info("%s: a random sample of its %d rows", source, drawn.n_rows)
    return table, {"limit": limit, "seed": seed, "rows": drawn.n_rows}


def _fetched(table: pa.Table, image: str, source: str) -> pa.Table:
    """With the bytes in cells that only say where on the hub a picture lies, as in folders of picture files.

    Only files of the data set itself are fetched: a cell can name anything.
    """
    from datasets import DownloadConfig
    from datasets.utils.file_utils import xopen

    own = re.compile(rf"({_ARCHIVES}://[^:]*::)?hf://datasets/{re.escape(source.partition(':')[0])}@[^:]+")

    def is_own(cell: Any) -> bool:
        return isinstance(cell, Mapping) and cell.get("bytes") is None and bool(own.fullmatch(cell.get("path") or ""))

    asking = DownloadConfig(token=hub_token())

    def read(cell: Any) -> Any:
        try:
            with xopen(cell["path"], "rb", download_config=asking) as stream:
                return {"bytes": stream.read(), "path": cell["path"]}
        except FileNotFoundError:
            return cell

    cells = table[image].to_pylist()
    places = [at for at, cell in enumerate(cells) if is_own(cell)]
    if not places:
        return table
    with (
        _foreign_errors(source),
        ThreadPoolExecutor(_CONNECTIONS) as pool,
        track("fetching pictures", len(places)) as advance,
    ):
        for at, cell in zip(places, pool.map(read, [cells[at] for at in places]), strict=True):
            cells[at] = cell
            advance(1)
    column = table.column_names.index(image)
    return table.set_column(column, image, pa.array(cells, table.schema.field(image).type))


def _caches() -> tuple[Path, ...]:
    """Real paths of the folders in which the hub's libraries keep what they downloaded."""
    from datasets import config
    from huggingface_hub import constants

    folders = (config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH, config.EXTRACTED_DATASETS_PATH)
    return tuple(Path(folder).resolve() for folder in (constants.HF_HUB_CACHE, *folders))


def _image_feature(features: Mapping[str, Any]) -> str | None:
    import datasets

    found = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    return found[0] if found else None


def _commit(repository: str, revision: str | None) -> str | None:
    """The commit that a branch or tag stands for now; without network, the one it stood for when last fetched."""
    import huggingface_hub

    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    cached = _cached_commit(repository, revision or "main")
    try:
        with _foreign_errors(repository):
            return str(huggingface_hub.HfApi(token=hub_token()).dataset_info(repository, revision=revision).sha)
    except UnreachableError:
        if cached is None:
            raise
    logger.warning("%s: the hub cannot be reached; using the copy fetched before, at commit %s", repository, cached)
    return cached


def _cached_commit(repository: str, revision: str) -> str | None:
    from huggingface_hub.constants import HF_HUB_CACHE

    reference = Path(HF_HUB_CACHE) / f"datasets--{repository.replace('/', '--')}" / "refs" / revision
    try:
        return reference.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


# Errors -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _foreign_errors(source: str) -> Iterator[None]:
    """Whatever the hub's libraries raise, as one error that says what to do.

    Their exceptions come from several libraries and differ between versions, so all are taken; only calls into them
    stand in such a block.
    """
    try:
        yield
    except LunetaError:
        raise
    except Exception as error:
        raise _explained(source, error) from error


def _explained(source: str, error: Exception) -> LunetaError:
    """The error with its way out."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split())
    if "GatedRepoError" in kinds or re.search(r"\bgated\b", text):
        return DatasetError(
            f"{source} is gated: accept its terms on its page at the hub, then log in here with: hf auth login"
        )
    if "RevisionNotFoundError" in kinds:
        return DatasetError(f"{source} has no such revision: give a branch, a tag or a commit of it")
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError"} and "OfflineModeIsEnabled" not in text:
        return DatasetError(
            f"no data set {source!r} on the Hugging Face Hub that you may read. Check the spelling (owner/name); if it "
            "is private, log in with: hf auth login"
        )
    if "scripts are no longer supported" in text:
        return DatasetError(
            f"{source} needs its own Python code to load, which is not run. The hub may keep a converted copy: try "
            'revision="refs/convert/parquet"'
        )
    if "config name is missing" in text.lower() or "BuilderConfig" in text:
        return ConfigError(f"{source} has several configurations; open it as owner/name:CONFIGURATION. {text[:300]}")
    if kinds & {"ConnectionError", "HTTPError", "TimeoutError", "OfflineModeIsEnabled", "TransportError"}:
        return UnreachableError(
            f"the Hugging Face Hub cannot be reached for {source} ({type(error).__name__}: {text[:200]}). Check the "
            "network and proxy settings; or, where there is a network, fetch it with "
            f"datasets.load_dataset({source.partition(':')[0]!r}).save_to_disk(FOLDER) and open that folder here"
        )
    return DatasetError(f"{source} cannot be read: {type(error).__name__}: {text[:300]}")

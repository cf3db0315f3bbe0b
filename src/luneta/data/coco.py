"""Caption files of the benchmarks: COCO captions and Karpathy's splits, one row a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luneta.data.raw import RawTable
from luneta.data.records import table_of
from luneta.data.roots import find_root
from luneta.data.tables import load_json, read_table, records_table
from luneta.errors import DatasetError

_UPWARDS = 2  # annotations/captions.json beside images/, or one folder deeper


def read_json_source(path: Path, name: str, image_root: str | None, *, split: str | None = None) -> RawTable:
    """A JSON file: COCO captions, a Karpathy split, or a plain list of objects.

    Args:
        path: the file.
        name: what the user opened.
        image_root: folder of the pictures, if the caller named one.
        split: the split that the folder's layout gives it.

    Raises:
        DatasetError: none of these.
    """
    value = load_json(path)
    if value is None:
        return read_table(path, name, split=split)
    images = value.get("images") if isinstance(value, dict) else None
    if not isinstance(images, list):
        table, broken = records_table(value, path)
        return RawTable(name, table, path.name, ((0, path.parent),), broken, split)
    if "annotations" in value:
        records = _coco_records(value, path)
    elif any(isinstance(image, dict) and "sentences" in image for image in images):
        records = _karpathy_records(images)
    else:
        raise DatasetError(f"{path} lists images but neither annotations (COCO) nor sentences (Karpathy split)")
    names = [record["file_name"] for record in records if record["file_name"]]
    root = Path(image_root) if image_root is not None else find_root(path.parent, names, upwards=_UPWARDS)
    if names and not any((root / file_name).exists() for file_name in names[:1000]):
        raise DatasetError(
            f"{path.name} names pictures such as {names[0]!r}, but none was found under {root}"
            + ("" if image_root else " or the folders around it")
            + '; name their folder with image="FOLDER"'
        )
    return RawTable(name, table_of(records), path.name, ((0, root),), {}, split)


def _coco_records(value: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    """One record a picture with the list of its captions; then one for each annotation whose picture is missing."""
    captions: dict[Any, list[str]] = {}
    for annotation in value["annotations"]:
        if "caption" in annotation:
            captions.setdefault(annotation.get("image_id"), []).append(annotation["caption"])
    if not captions and value["annotations"]:
        keys = ", ".join(sorted(value["annotations"][0]))
        raise DatasetError(
            f"{path} is a COCO file without captions (its annotations hold {keys}); the captions are in captions_*.json"
        )
    records = []
    for image in value["images"]:
        kept = {key: cell for key, cell in image.items() if key not in ("id", "file_name")}
        records.append(
            {"file_name": image.get("file_name"), "captions": captions.pop(image.get("id"), None)}
            | {"image_id": image.get("id")}
            | kept
        )
    orphans = [{"file_name": None, "captions": texts, "image_id": key} for key, texts in captions.items()]
    return records + orphans


def _karpathy_records(images: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    records = []
    for image in images:
        kept = {key: cell for key, cell in image.items() if key not in ("filename", "filepath", "sentences", "sentids")}
        folder, file_name = image.get("filepath"), image.get("filename")
        captions = [sentence.get("raw") for sentence in image.get("sentences", [])]
        path = f"{folder}/{file_name}" if folder and file_name else file_name
        records.append({"file_name": path, "captions": captions} | kept)
    return records

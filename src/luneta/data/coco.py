"""Caption files of the benchmarks: COCO captions and Karpathy's splits, one row a picture."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from luneta.data.raw import RawTable
from luneta.data.roots import find_root, hits
from luneta.data.tables import load_json, read_table, records_table
from luneta.errors import DatasetError

_UPWARDS = 2  # annotations/captions.json beside images/, or one folder deeper


def read_json_source(path: Path, name: str, image_root: Path | None, *, split: str | None = None) -> RawTable:
    """A JSON file: COCO captions, a Karpathy split, or a plain list of objects.

    Args:
        path: the file.
        name: what the user opened.
        image_root: folder of the pictures, if the caller named one.
        split: the split that the folder's layout gives it.

    Raises:
        DatasetError: none of these.
        ConfigError: the pictures may be in several folders.
    """
    value = load_json(path)
    if value is None:
        return read_table(path, name, split=split)
    images = value.get("images") if isinstance(value, dict) else None
    if not isinstance(images, list):
        table, broken = records_table(value, path)
        return RawTable(name, table, path.name, ((0, path.parent),), broken, split)
    if "annotations" in value:
        records = _coco_records(images, value["annotations"], path)
    elif any(isinstance(image, dict) and "sentences" in image for image in images):
        records = [_karpathy_record(image) if isinstance(image, dict) else image for image in images]
    else:
        raise DatasetError(f"{path} lists images but neither annotations (COCO) nor sentences (Karpathy split)")
    named = (record.get("file_name") for record in records if isinstance(record, dict))
    names = [file_name for file_name in named if isinstance(file_name, str)][:1000]
    root = image_root or find_root(path.parent, names, upwards=_UPWARDS)
    if names and not hits(root, names):
        raise DatasetError(
            f"{path.name} names pictures such as {names[0]!r}, but none was found under {root}"
            + ("" if image_root else " or the folders around it")
            + '; name their folder with image="FOLDER"'
        )
    table, broken = records_table(records, path)
    return RawTable(name, table, path.name, ((0, root),), broken, split)


def _coco_records(images: list[Any], annotations: Any, path: Path) -> list[Any]:
    """One record a picture with the list of its captions; then those whose picture is missing, and what is no record.

    What is no object stays as it is: whoever makes the table reports it.
    """
    if not isinstance(annotations, list):
        raise DatasetError(f"{path}: annotations hold {type(annotations).__name__}; expected a list (COCO captions)")
    captions: dict[Hashable, list[Any]] = {}
    for annotation in annotations:
        if isinstance(annotation, dict) and "caption" in annotation:
            captions.setdefault(_key(annotation.get("image_id")), []).append(annotation["caption"])
    broken = [annotation for annotation in annotations if not isinstance(annotation, dict)]
    if images and not captions:
        found = next((f"hold {', '.join(one)}" for one in annotations if isinstance(one, dict)), "are no objects")
        raise DatasetError(
            f"{path} is a COCO file without captions (its annotations {found}); the captions are in captions_*.json"
        )
    records = []
    for image in images:
        if isinstance(image, dict):
            number = image.get("id")
            record = {"file_name": image.get("file_name"), "captions": captions.pop(_key(number), None)}
            image = record | {"image_id": number} | _others(image, "id", "file_name", "captions", "image_id")
        records.append(image)
    orphans = [{"file_name": None, "captions": texts, "image_id": key} for key, texts in captions.items()]
    return [*records, *orphans, *broken]


def _key(number: Any) -> Hashable:
    return number if isinstance(number, Hashable) else repr(number)


def _karpathy_record(image: Mapping[str, Any]) -> dict[str, Any]:
    folder, file_name = image.get("filepath"), image.get("filename")
    sentences = image.get("sentences")
    captions = [
        sentence.get("raw") if isinstance(sentence, dict) else sentence
        for sentence in (sentences if isinstance(sentences, list) else [sentences])
    ]
    path = f"{folder}/{file_name}" if folder and file_name else file_name
    others = _others(image, "filename", "filepath", "sentences", "sentids", "file_name", "captions")
    return {"file_name": path, "captions": captions} | others


def _others(image: Mapping[str, Any], *used: str) -> dict[str, Any]:
    return {key: cell for key, cell in image.items() if key not in used}

"""What a re-ranker's folder holds of what scores anew, by kind: how it is written, read again, and refused."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save, save_file

from luneta.artifacts import hash_json, read_json
from luneta.encoders.custom import names_code
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError, did_you_mean
from luneta.rerank.crossing import Crossed
from luneta.rerank.elip import Elip, promptable
from luneta.rerank.guide import Guide, GuideShape
from luneta.rerank.honesty import Rescorer
from luneta.rerank.saving import read_tensors
from luneta.types import CrossEncoder, Encoder, EncoderSpec, Matcher

logger = logging.getLogger("luneta")

SCHEMA = "luneta.reranker/1"
RECORD, GUIDE = "reranker.json", "guide.safetensors"
INSIDE = "reranker"
"""The folder of the re-ranker within that of its training."""

KINDS = {"elip": "guide", "itm": "cross_encoder", "cross-encoder": "cross_encoder"}
"""And the part of the record that each has of its own."""

_MAKES_A_MODEL = ("model_type", "weights", "config", "image", "text")


def write_rescorer(folder: Path, rescorer: Rescorer) -> dict[str, Any]:
    """Write what it is made of to files, and return what the record says of it.

    Raises:
        ConfigError: it is of a kind that has no folder, or nobody could tell it from another one.
    """
    if isinstance(rescorer, Crossed):
        return {"kind": rescorer.kind, "cross_encoder": identity_of(rescorer.cross_encoder)}
    if not isinstance(rescorer, Elip):
        raise ConfigError(f"a {type(rescorer).__name__} has no folder of its own; known kinds: {', '.join(KINDS)}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in rescorer.guide.state_dict().items()}
    save_file(tensors, folder / GUIDE)
    record = {
        "kind": rescorer.kind,
        "guide": {"shape": rescorer.guide.shape.to_dict(), "insert_layer": rescorer.tower.insert_layer,
                  "keep_prompts": rescorer.keep_prompts},
    }  # fmt: skip
    if isinstance(rescorer.encoder, Matcher):
        record["cross_encoder"] = identity_of(rescorer.encoder)
    return record


def read_rescorer(
    folder: Path, written: Mapping[str, Any], encoder: Encoder, cross_encoder: CrossEncoder | None
) -> Rescorer:
    """What `write_rescorer` wrote.

    Args:
        folder: of the re-ranker.
        written: its record.
        encoder: whose candidates it scores.
        cross_encoder: what it scores with, where it has one; None loads it by its name.

    Raises:
        ArtifactError: a file is missing or damaged.
        IndexMismatchError: it was made with another cross-encoder.
        ConfigError: a model that takes no prompts, or a cross-encoder that cannot be found by its name.
    """
    able: Encoder | CrossEncoder = encoder
    if "cross_encoder" in written:
        able = _cross_encoder(folder, written["cross_encoder"], encoder, cross_encoder)
        if written["kind"] != "elip":
            return Crossed(able)
    elif cross_encoder is not None:
        raise ConfigError(f"{folder} scores with its encoder alone, and {cross_encoder.name} was given")
    try:
        shape, insert_layer = GuideShape.of(written["guide"]["shape"]), int(written["guide"]["insert_layer"])
        keep_prompts = bool(written["guide"]["keep_prompts"])
        guide = Guide(shape)
        guide.load_state_dict(read_tensors(folder / GUIDE)[0])
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise ArtifactError(f"{folder} is no whole re-ranker: {type(error).__name__}: {error}") from error
    taking = promptable(able)
    tower = taking.visual_prompts(insert_layer, keep_prompts=keep_prompts)
    return Elip(taking, tower, guide.to(tower.device).eval(), keep_prompts)


def read_record(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a re-ranker's folder says of itself.

    Raises:
        ArtifactError: it is none, damaged, or of a kind that nobody knows here.
    """
    inside = Path(folder) / INSIDE
    if not (Path(folder) / RECORD).exists() and (inside / RECORD).is_file():
        raise ArtifactError(f"{folder} is no re-ranker, but its folder {inside} is one: give that")
    written = read_json(Path(folder) / RECORD)
    schema = written.get("schema") if isinstance(written, dict) else None
    if schema != SCHEMA:
        raise ArtifactError(f"{folder} has schema {schema!r}; expected {SCHEMA!r}, a folder that Reranker.save wrote")
    kind = written.get("kind")
    if kind not in KINDS:
        raise ArtifactError(f"{folder} is a re-ranker of the kind {kind!r}. {did_you_mean(str(kind), KINDS)}")
    missing = [name for name in ("encoder", KINDS[kind], "fusion", "answers", "record") if name not in written]
    if missing:
        raise ArtifactError(f"{folder}: {RECORD} lacks {', '.join(missing)}")
    return dict(written)


def identity_of(model: Encoder | CrossEncoder) -> dict[str, Any]:
    """What tells a model from another one, and what it takes to load it again.

    Raises:
        ConfigError: it has no fingerprint.
    """
    spec: EncoderSpec | None = getattr(model, "spec", None)
    name = spec.name if spec is not None else getattr(model, "name", "?")
    fingerprint = _fingerprint(model)
    if not fingerprint:
        raise ConfigError(f"{name} has no fingerprint, so that its re-ranker cannot be told from another's")
    found = {"name": name, "revision": None, "fingerprint": fingerprint, "dtype": None, "made_of": None}
    if spec is not None:
        found |= {"revision": spec.revision, "dtype": spec.dtype, "made_of": _made_of(spec)}
    options = getattr(model, "options", None)
    return found if options is None else {**found, "options": dict(options)}


def fingerprint_of(rescorer: Rescorer) -> str:
    """Hex digest of everything that decides a score; empty where nobody can say."""
    if isinstance(rescorer, Crossed):
        model = _fingerprint(rescorer.cross_encoder)
        return hash_json({"kind": "crossed", "model": model}) if model else ""
    if not isinstance(rescorer, Elip) or not _fingerprint(rescorer.encoder):
        return ""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in rescorer.guide.state_dict().items()}
    told = {
        "kind": "elip", "model": _fingerprint(rescorer.encoder), "guide": hashlib.sha256(save(weights)).hexdigest(),
        "shape": rescorer.guide.shape.to_dict(), "insert_layer": rescorer.tower.insert_layer,
        "keep_prompts": rescorer.keep_prompts,
    }  # fmt: skip
    return hash_json(told)


def _fingerprint(model: Encoder | CrossEncoder) -> str:
    spec: EncoderSpec | None = getattr(model, "spec", None)
    return str(spec.fingerprint if spec is not None else getattr(model, "fingerprint", ""))


def check_model(written: Mapping[str, Any], model: Encoder | CrossEncoder, folder: str | os.PathLike[str]) -> None:
    """Make sure that a re-ranker was made for this model; another number format is only said.

    Raises:
        IndexMismatchError: it was made for another one.
    """
    given = identity_of(model)
    if given["fingerprint"] == written["fingerprint"]:
        return
    if given["made_of"] is None or given["made_of"] != written["made_of"]:
        raise IndexMismatchError(
            f"{folder} was made for {written['name']} (fingerprint {str(written['fingerprint'])[:12]}), not for "
            f"{given['name']} ({given['fingerprint'][:12]}): what it has learnt and chosen would mean nothing there; "
            "load that one, or make a re-ranker for this one"
        )
    logger.warning(
        "%s was made with %s in %s, not in %s or with another version of the library: measure it again",
        folder, written["name"], written["dtype"], given["dtype"],
    )  # fmt: skip


def _made_of(spec: EncoderSpec) -> str | None:
    """Digest of what a model is, apart from number format and library version; None where it does not say."""
    if not all(name in spec.details for name in _MAKES_A_MODEL):
        return None
    return hash_json({name: spec.details[name] for name in _MAKES_A_MODEL})


def _cross_encoder(
    folder: Path, written: Mapping[str, Any], encoder: Encoder, given: CrossEncoder | None
) -> CrossEncoder:
    """The one that was given, or the one of that name, after making sure that it is the right one."""
    try:
        if given is None:
            given = _loaded(folder, written, encoder)
        check_model(written, given, folder)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{folder}: what {RECORD} says of its cross-encoder is not whole: {error}") from error
    return given


def _loaded(folder: Path, written: Mapping[str, Any], encoder: Encoder) -> CrossEncoder:
    name = str(written["name"])
    if "options" not in written or names_code(name):  # what a file says must not decide which code runs
        raise ConfigError(
            f"{folder} scores with {name}, an object of your own: give it as cross_encoder (--model "
            "package.module:Object)"
        )
    revision = None if "@" in name else written["revision"]
    return load_cross_encoder(
        name, revision=revision, dtype=str(written["dtype"]), device=encoder.spec.device, **written["options"]
    )

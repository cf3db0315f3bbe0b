"""What a model card tells of the machine it was written on: nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from luneta.artifacts import public_name
from luneta.finetuning import Recipe
from luneta.finetuning.card import card
from luneta.finetuning.interpolation import Point
from luneta.finetuning.proof import data_name, names_of
from luneta.finetuning.run import FineTuning
from luneta.types import EncoderSpec
from tuning import pairs
from worlds import ConceptEncoder

SPEC = EncoderSpec(name="/home/ana/clients/acme/tuned/model", embedding_dim=4, fingerprint="f" * 64)


def written(base: EncoderSpec, **data: str) -> str:
    told = replace(pairs(3), **data)
    kept = replace(pairs(2), name="/home/ana/keep/photos", split="test", language="en")
    points = [Point(alpha, {"validation": 0.5, names_of([kept])[0]: 0.25}) for alpha in (0.0, 1.0)]
    found = FineTuning(
        folder=Path("out/model"), encoder=ConceptEncoder(), weights="a" * 64, recipe=Recipe(),
        base=public_name(base.name), data=data_name(told), curve=points,
        chosen=points[1], n_steps=1,
        history=[], n_train=9, n_val=2, n_leaked=0, n_truncated=0, proofs=[],
        cost={"wall_s": 60.0, "device": "cpu", "peak_mib": 1.0, "peak_of": "run"},
    )  # fmt: skip
    return card(found, base, told)


def test_folders_of_this_machine_stay_here() -> None:
    text = written(SPEC, name="/home/ana/clients/acme/photos/")
    assert "home" not in text
    assert "acme" not in text
    assert "# tuned, fine-tuned on photos\n" in text
    assert "Base: tuned (fingerprint ffffffffffff)." in text
    assert f"Data: photos (fingerprint {pairs(3).fingerprint[:12]}): 9 images" in text
    assert "| photos test en" in text
    assert "base_model" not in written(replace(SPEC, name="clients/model"), name="photos")


def test_memory_is_not_claimed_for_the_training_alone() -> None:
    assert "1.0 minutes on cpu; 1 MiB of memory for the whole process; validation" in written(SPEC)


def test_what_comes_from_the_hub_keeps_its_whole_name() -> None:
    base = replace(SPEC, name="owner/clip@main", revision="c" * 40)
    text = written(base, name="owner/photos", revision="d" * 40)
    assert "base_model: owner/clip\n" in text
    assert "fine-tuned on owner/photos\n" in text


def test_the_licence_is_named_where_it_is_known() -> None:
    assert "license: apache-2.0\n" in written(replace(SPEC, name="luneta-mini"))
    assert "(look at its card)" in written(SPEC)
    assert "license:" not in written(SPEC)

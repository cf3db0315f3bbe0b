"""What a training writes, what is kept within a budget, and training from shards that does without keeping."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import luneta
from luneta.data.dataset import ImageTextDataset
from luneta.data.sources import open_dataset
from luneta.errors import ArtifactError, ConfigError
from luneta.ledger import read_ledger
from luneta.rerank import ElipRecipe, predict_elip, run
from luneta.rerank import plan as plans
from luneta.rerank.disk import Sizes, decided, folder_bytes, free_bytes, is_begun, write_decision
from luneta.rerank.pictures import Pictures
from luneta.rerank.training import ElipTraining
from luneta.types import Halfway
from paintings import painting
from reranking import SMALL, encoder_of
from tuning import pairs

MakeCheckpoint = Callable[[str], Path]
SIZES = Sizes(
    n_learnt=1000, n_watched=100, n_texts=2200, picture=40_000, scaled={512: 50_000.0, 384: 20_000.0, 256: 9_000.0},
    vector=2000, states=600_000, late=True, checkpoints=5e6,
)  # fmt: skip


# Sizes --------------------------------------------------------------------------------------------------------


def test_what_fits_is_kept_and_what_is_measured_on_goes_first() -> None:
    least = 1100 * 2000 + 2200 * 2000 + 5e6
    watched, learnt = 100 * 600_000, 1000 * 600_000
    assert SIZES.kept(least) == ()
    assert SIZES.kept(least + watched - 1) == ()
    assert SIZES.kept(least + watched) == ("watched",)
    assert SIZES.kept(least + learnt) == ("watched",)
    assert SIZES.kept(least + watched + learnt) == ("watched", "learnt")
    with pytest.raises(ConfigError, match=r"11\.6 MB are written at least \(vectors and checkpoints\)"):
        SIZES.kept(least - 1)
    for budget in (least, least + watched, least + watched + learnt):
        parts = SIZES.by_part(SIZES.kept(budget))
        assert sum(parts.values()) - parts["pictures"] <= budget
    assert SIZES.by_part(("watched",)) == {
        "pictures": 1100 * 40_000, "vectors": 3300 * 2000, "checkpoints": 5e6, "states": watched,
    }  # fmt: skip


def test_before_the_first_block_there_is_nothing_to_keep() -> None:
    import dataclasses

    early = dataclasses.replace(SIZES, late=False)
    assert early.kept(12e6) == ("watched", "learnt")
    assert early.by_part(("watched", "learnt"))["states"] == 0


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("side", [None, 512, 256])
def test_as_many_fit_as_are_counted_one_by_one(keep: bool, side: int | None) -> None:
    import dataclasses

    disk = 3e9
    n = SIZES.fits(disk, side=side, keep=keep)
    picture = {None: 40_000, 512: 40_000, 256: 9_000}[side]  # nothing is scaled up

    def whole(n: int) -> float:
        sizes = dataclasses.replace(SIZES, n_learnt=n, n_watched=0, n_texts=2 * n, picture=picture)
        return sum(sizes.by_part(("learnt",) if keep else ()).values())

    assert whole(n) <= disk < whole(n + 1)
    assert SIZES.fits(1e6, side=side, keep=keep) == 0


def test_the_studys_disks_are_reckoned_from_the_pictures_at_hand(tiny_checkpoint: MakeCheckpoint) -> None:
    recipe = ElipRecipe(**{**SMALL, "insert_layer": 1})
    told: dict[str, Any] = {"validation": pairs(14, start=20), "near": False, "recipe": recipe}
    plan = predict_elip(encoder_of(tiny_checkpoint("clip")), pairs(20), **told)
    assert [(fit.disk, fit.keep) for fit in plan.fits] == [
        (disk, keep) for disk in (1e12, 8e11, 2.5e11) for keep in (False, True)
    ]
    for fit in plan.fits:
        each = plan.bytes_by_part["pictures"] / 34 + plan.bytes_by_part["vectors"] / 34
        each += 17 * 32 * 4 if fit.keep else 0
        assert fit.n[None] == int((fit.disk - plan.bytes_by_part["checkpoints"]) / each)
    shown = plan.grids()
    assert shown[1].rows[0][:2] == ("1.0 TB", "not kept")
    assert shown[1].rows[5][:2] == ("250 GB", "kept in files")
    assert {row[0]: row[2] for row in shown[0].rows}["pictures before the prompts"].endswith("kB")
    assert plan.grids("pt-BR")[1].title == "O que cabe num disco"


def test_a_plan_of_many_pictures_looks_at_some(
    tiny_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PLANNED_ON", 15)
    encoder, recipe = encoder_of(tiny_checkpoint("clip")), ElipRecipe(**{**SMALL, "insert_layer": 1})
    told: dict[str, Any] = {"validation": pairs(14, start=30), "near": False, "recipe": recipe}
    looked_at: list[int] = []
    apart = run.apart
    monkeypatch.setattr(run, "apart", lambda data, *rest: looked_at.append(data.n_images) or apart(data, *rest))
    monkeypatch.setattr(plans, "_seconds", lambda work: 3.0)
    monkeypatch.setattr(plans, "_of_a_picture", lambda pictures: (0.5, 1.0))
    plan = predict_elip(encoder, pairs(30), **told)
    assert looked_at == [15]
    assert plan.bytes_by_part["states"] == (30 + 14) * 17 * 32 * 4
    assert plan.seconds_by_part["states"] == 44 * 0.5
    assert plan.seconds_by_part["mining"] == pytest.approx(3 * 30 * 44 / 1e6)


def test_a_validation_part_that_is_taken_out_grows_with_the_data(
    tiny_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, recipe = encoder_of(tiny_checkpoint("clip")), ElipRecipe(**{**SMALL, "insert_layer": 1})
    monkeypatch.setattr(plans, "_seconds", lambda work: 3.0)
    monkeypatch.setattr(plans, "_of_a_picture", lambda pictures: (0.5, 1.0))
    whole = predict_elip(encoder, pairs(120), near=False, recipe=recipe)
    monkeypatch.setattr(run, "PLANNED_ON", 40)
    sampled = predict_elip(encoder, pairs(120), near=False, recipe=recipe)
    assert sampled.seconds_by_part["states"] == pytest.approx(whole.seconds_by_part["states"], rel=0.1)
    alone = predict_elip(encoder, pairs(40), near=False, recipe=recipe)
    assert sampled.seconds_by_part["measuring"] > 2.5 * alone.seconds_by_part["measuring"]
    monkeypatch.setattr(run, "MOST_VALIDATED", 5)
    capped = predict_elip(encoder, pairs(120), near=False, recipe=recipe)
    assert capped.seconds_by_part["measuring"] < sampled.seconds_by_part["measuring"]


def test_where_nothing_is_kept_nothing_more_fits() -> None:
    early = dataclasses.replace(SIZES, late=False)
    assert early.fits(1e9, side=None, keep=True) == early.fits(1e9, side=None, keep=False)
    assert SIZES.fits(1e9, side=None, keep=True) < SIZES.fits(1e9, side=None, keep=False)


# Within the budget ----------------------------------------------------------------------------------------------


class Towers:
    """An encoder and a tower whose numbers depend on how many pictures go through together, as on a GPU."""

    insert_layer, device = 1, torch.device("cpu")

    def __init__(self) -> None:
        self.read: list[int] = []

    def prepare_image(self, image: int) -> np.ndarray:
        self.read.append(image)
        return np.full((2, 3), image, dtype=np.float32)

    def halfway(self, prepared: Sequence[np.ndarray]) -> Halfway:
        return Halfway(torch.from_numpy(np.stack(prepared)) + 1e-3 * len(prepared))


class Numbered:
    def __init__(self, number: int) -> None:
        self.number, self.label = number, str(number)

    def open(self) -> int:
        return self.number


def numbered(n: int = 40) -> tuple[Pictures, Towers]:
    towers: Any = Towers()
    return Pictures(towers, towers, [Numbered(i) for i in range(n)]), towers  # type: ignore[misc]


def test_what_is_not_kept_does_not_depend_on_what_was_asked_for_before() -> None:
    wanted = np.array([3, 4, 9, 30])
    fresh, _ = numbered()
    fresh.keep_nothing()
    used, towers = numbered()
    used.keep_nothing()
    used.of(np.array([3, 9, 12]))
    used.of(np.array([30]))
    torch.testing.assert_close(used.of(wanted).states, fresh.of(wanted).states, atol=0, rtol=0)
    assert towers.read == [3, 9, 12, 30, 4]  # decoded once all the same, in the order of the shards
    kept, _ = numbered()
    kept.of(np.array([3, 9, 12]))
    assert not torch.equal(kept.of(wanted).states, fresh.of(wanted).states)  # which is why


def test_what_was_decided_stays(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    assert decided(folder, SIZES, 1e12) == ("watched", "learnt")
    assert not folder.exists()  # to judge writes nothing
    write_decision(folder, ("watched", "learnt"))
    assert not is_begun(folder)
    for budget in (12e6, 1000):
        assert decided(folder, SIZES, budget) == ("watched", "learnt")
    write_decision(folder, ())
    assert decided(folder, SIZES, 12e6) == ("watched", "learnt")
    assert decided(tmp_path / "other", SIZES, 12e6) == ()


@pytest.mark.parametrize("damage", ["{}", "[]", '{"kept": "watched"}', '{"kept": ["wached"]}', '{"kept"', ""])
def test_a_damaged_decision_is_said_with_the_way_out(damage: str, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text(damage)
    with pytest.raises(ArtifactError, match=rf"kept\.json .*remove {tmp_path} to begin the training anew"):
        decided(tmp_path, SIZES, 1e12)


def test_what_is_free_is_asked_of_where_the_folder_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.05)
    assert free_bytes(tmp_path) > 0


# From shards ----------------------------------------------------------------------------------------------------


def shards(folder: Path, n: int = 40, n_shards: int = 4) -> str:
    """A WebDataset of several tar files; what opens them all."""
    folder.mkdir()
    data = pairs(n)
    for shard in range(n_shards):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as archive:
            for number in range(shard, n, n_shards):
                buffer = io.BytesIO()
                painting(number, 40).save(buffer, "JPEG", quality=95)
                for ending, content in (("jpg", buffer.getvalue()), ("txt", data.texts[number].encode())):
                    member = tarfile.TarInfo(f"{number:05d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return str(folder / f"{{000..{n_shards - 1:03d}}}.tar")


@pytest.fixture(scope="module")
def webdataset(tmp_path_factory: pytest.TempPathFactory) -> ImageTextDataset:
    return open_dataset(shards(tmp_path_factory.mktemp("data") / "shards"))


LATE = {"insert_layer": 1, "dropout": 0.2, "steps": 8, "validations": 2}
LITTLE = 100_000
"""Bytes: enough for vectors and checkpoints of these tests, not for what is learnt from."""


@pytest.fixture
def train(
    webdataset: ImageTextDataset, tiny_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))

    def train_it(name: str, disk: float | None, **recipe: Any) -> Any:
        how = ElipRecipe(**{**SMALL, "hidden": (8,), "n_prompts": 1, **LATE, **recipe})
        return luneta.train_elip(
            encoder_of(tiny_checkpoint("clip")), webdataset, validation=pairs(8, start=40), out=tmp_path / name,
            recipe=how, near=False, disk=disk,
        )  # fmt: skip

    return train_it


def test_over_the_budget_nothing_is_kept_and_the_same_is_learnt(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most: dict[str, int] = {}
    files: dict[str, set[str]] = {}
    measured = ElipTraining.measured

    def watched(training: ElipTraining) -> Any:
        name = training.folder.parent.name
        most[name] = max(most.get(name, 0), folder_bytes(training.folder))
        files[name] = {path.parent.name for path in training.folder.rglob("halfway*")}
        return measured(training)

    monkeypatch.setattr(ElipTraining, "measured", watched)
    kept, lean = train("kept", 1e9), train("lean", LITTLE)
    assert files == {"kept": {"learnt", "watched"}, "lean": {"watched"}}  # few, and used again and again
    assert most["lean"] <= LITTLE < most["kept"]
    for one, other in zip(kept.history, lean.history, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    entries = {entry.facts["out"].rsplit("/")[-1]: entry.facts for entry in read_ledger(tmp_path / "ledger.jsonl")}
    for name, facts in entries.items():
        assert facts["actual_s"] > 0
        assert facts["actual_disk_mib"] <= facts["predicted_disk_mib"]
        states = facts["predicted_disk_mib"] - entries["lean"]["predicted_disk_mib"]
        assert states == pytest.approx(0 if name == "lean" else 40 * 17 * 32 * 4 / 2**20)


@pytest.mark.parametrize("recipe", [{}, {"insert_layer": 0}, {"batches": "global", "queries": 6}], ids=str)
def test_stopped_and_gone_on_with_the_same_bytes(
    recipe: dict[str, Any], train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("calm", LITTLE, **recipe)
    step, done = ElipTraining.step, 0

    def stopping(training: ElipTraining, number: int, optimizer: Any) -> float:
        nonlocal done
        if number >= 4:
            done += 1
        if done == 2:
            raise KeyboardInterrupt
        return step(training, number, optimizer)

    with monkeypatch.context() as patch:
        patch.setattr(ElipTraining, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train("stopped", LITTLE, **recipe)
    assert (tmp_path / "stopped" / "training" / "standing.safetensors").is_file()
    train("stopped", 1e12, **recipe)  # there is room by now: what was decided stays
    guides = [(tmp_path / name / "reranker" / "guide.safetensors").read_bytes() for name in ("calm", "stopped")]
    assert guides[0] == guides[1]
    facts = [entry.facts for entry in read_ledger(tmp_path / "ledger.jsonl")]
    assert "actual_s" in facts[0]
    assert "actual_s" not in facts[2]  # a part of it, which says nothing of the prediction


def test_too_small_a_disk_is_said_before_anything_is_written(
    train: Callable[..., Any], webdataset: ImageTextDataset, tiny_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="are written at least"):
        train("tiny", 1000)
    with pytest.raises(ConfigError, match="are written at least"):
        predict_elip(encoder_of(tiny_checkpoint("clip")), webdataset, recipe=ElipRecipe(**SMALL), near=False, disk=1000)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("ledger")] == []


def test_shards_are_read_in_place_and_in_order(
    webdataset: ImageTextDataset, tiny_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    pictures = Pictures(encoder, encoder.visual_prompts(), webdataset.images)
    opened: list[str] = []
    kind = type(webdataset.images[0])
    read = kind.read
    monkeypatch.setattr("luneta.rerank.pictures.available", lambda: 1)
    monkeypatch.setattr(kind, "read", lambda ref: opened.append(ref.label) or read(ref))
    pictures.of(np.unique(np.array([33, 2, 17, 2, 30])))
    assert opened == [webdataset.images[i].label for i in (2, 17, 30, 33)]
    archives = [label.rsplit("/", 1)[0] for label in opened]
    assert archives == sorted(archives)
    assert len(set(archives)) > 1

"""Our numbers beside the published ones: what is run, what is not, and whether they agree."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark_files as files
from luneta.data.builders import build_imagenet_r, build_occluded_coco
from luneta.data.dataset import ImageTextDataset
from luneta.data.sources import open_dataset
from luneta.embedding import embed
from luneta.encoders.registry import load_cross_encoder
from luneta.errors import ConfigError, DatasetError, ImageError
from luneta.evaluation import evaluate, evaluate_embeddings
from luneta.rerank.crossing import Crossed
from luneta.rerank.fusion import Fusion
from luneta.rerank.official import load_official
from luneta.rerank.published import BENCHMARKS, RECALL, REPORTED
from luneta.rerank.reproduction import Line, find_weights, nothing_run, reproduce_elip
from luneta.rerank.search import found_by
from luneta.results import Metric
from reranking import encoder_of

TABLES = Path(__file__).parents[4] / "shared" / "thesis" / "elip_results.csv"
BACKBONE = {"elip-c": "CLIP", "elip-s": "SigLIP", "elip-s2": "SigLIP-2", "elip-b": "BLIP-2"}
MakeCheckpoint = Callable[[str], Path]


@pytest.mark.skipif(not TABLES.exists(), reason="the published tables are not beside the repository")
def test_published_numbers_are_those_of_the_paper_and_of_nobody_else() -> None:
    with TABLES.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == "paper"]
    for variant, benchmarks in REPORTED.items():
        for name, reported in benchmarks.items():
            for method, ours in (("baseline", reported.baseline), (variant.upper(), reported.elip)):
                (row,) = [
                    row for row in rows
                    if (row["method"], row["backbone"], row["dataset"]) == (method, BACKBONE[variant], name)
                    and (method == "baseline" or (row["train_data"], row["hard_mining"], row["multi_prompt"])
                         == ("DataCompDR", "yes", "yes"))
                ]  # fmt: skip
                assert ours == {metric: float(row[metric]) for metric in RECALL}


def test_published_numbers_make_sense() -> None:
    for benchmarks in REPORTED.values():
        assert set(benchmarks) == {"coco", "flickr30k"}
        for reported in benchmarks.values():
            for numbers in (reported.baseline, reported.elip):
                values = [numbers[metric] for metric in RECALL]
                assert values == sorted(values)
            assert all(reported.elip[metric] > reported.baseline[metric] for metric in RECALL)


@pytest.fixture
def data(tmp_path: Path) -> dict[str, ImageTextDataset]:
    """All four benchmarks, small."""
    coco = files.karpathy(tmp_path / "karpathy") / "dataset_coco.json"
    occluded = build_occluded_coco(files.coco(tmp_path / "coco"), tmp_path / "occluded")
    return {
        "coco": open_dataset(coco, split="test"),
        "occluded-coco": open_dataset(occluded),
        "imagenet-r": open_dataset(build_imagenet_r(files.imagenet_r(tmp_path), tmp_path / "renditions")),
    }


def test_what_is_there_is_run_as_in_the_paper(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, data: dict[str, ImageTextDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = tuple(dataclasses.replace(b, k={**b.k, "elip-c": 4}) for b in BENCHMARKS)
    monkeypatch.setattr("luneta.rerank.reproduction.BENCHMARKS", shallow)
    encoder = encoder_of(tiny_checkpoint("clip"))
    weights = files.official_checkpoint(
        tmp_path / "elip_models/elip-c/original/epoch_1.pt", encoder.spec.embedding_dim, encoder.visual_prompts().width
    )
    found = reproduce_elip(encoder, "elip-c", data, weights=tmp_path, cache=False)
    elip = load_official(weights, encoder, "elip-c")
    changed = 0
    for name, given in data.items():
        embeddings = embed(encoder, given)
        alone = evaluate_embeddings(embeddings, duplicates="strict")
        candidates = found_by(embeddings, alone, 4)
        new = elip.rescore(candidates.queries, elip.pictures(given.images), candidates.candidates)
        ranking = Fusion(1.0, 4).ranking(candidates, new)
        lines = {(line.method, line.metric): line for line in found.lines if line.benchmark == name}
        for (method, metric), line in lines.items():
            expected = alone.metrics["text_to_image"][metric] if method == "baseline" else None
            if expected is None:
                np.testing.assert_array_equal(
                    found.results[name]["elip-c"].rankings["text_to_image"].n_better, ranking.n_better
                )
                changed += int((ranking.n_better != candidates.ranking.n_better).any())
            else:
                assert line.ours == expected
            assert not line.missing
    assert changed
    flickr = [line for line in found.lines if line.benchmark == "flickr30k"]
    assert {line.missing for line in flickr} == {"no data"}
    shown = str(found)
    assert "not run: no data" in shown
    assert "flickr30k-images (4.4 GB" in " ".join(shown.split())
    assert "guessed from COCO's masks" in " ".join(shown.split())
    assert "takes 1000 off their scores" in " ".join(shown.split())


def test_depths_are_the_papers() -> None:
    depths = {benchmark.name: benchmark.k for benchmark in BENCHMARKS}
    assert {name: k["elip-c"] for name, k in depths.items()} == {
        "coco": 100, "flickr30k": 100, "occluded-coco": 500, "imagenet-r": 1000,
    }  # fmt: skip
    assert {name: k["elip-b"] for name, k in depths.items()} == {
        "coco": 20, "flickr30k": 20, "occluded-coco": 100, "imagenet-r": 100,
    }  # fmt: skip


def test_only_the_pairs_of_the_source_are_right(tiny_checkpoint: MakeCheckpoint, data: dict[str, Any]) -> None:
    same = data["coco"]
    same = dataclasses.replace(same, texts=["a thing"] * same.n_texts)
    found = reproduce_elip(encoder_of(tiny_checkpoint("clip")), "elip-c", {"coco": same}, cache=False)
    assert found.results["coco"]["baseline"].protocol["duplicates"] == "strict"
    assert (found.results["coco"]["baseline"].rankings["text_to_image"].n_relevant == 1).all()


def test_without_weights_the_backbone_alone_is_run(
    tiny_checkpoint: MakeCheckpoint, tmp_path: Path, data: dict[str, ImageTextDataset]
) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    files.official_checkpoint(tmp_path / "elip-s/original/epoch_1.pt", 8, 8)  # of another variant
    found = reproduce_elip(encoder, "elip-c", {"coco": data["coco"]}, weights=tmp_path, cache=False)
    lines = {(line.method, line.metric): line for line in found.lines if line.benchmark == "coco"}
    assert lines["baseline", "recall@1"].ours == evaluate(
        encoder, data["coco"], duplicates="strict", cache=False
    ).metrics["text_to_image"]["recall@1"]  # fmt: skip
    assert lines["baseline", "recall@1"].published == 0.4016
    assert "not 5,000 and 25,010" in lines["baseline", "recall@1"].unlike
    assert lines["baseline", "recall@1"].within is None
    assert lines["elip-c", "recall@1"].missing == "no weights"
    assert lines["elip-c", "recall@1"].published == 0.4561
    assert "a training checkpoint of the authors" in " ".join(str(found).split())
    written = found.to_dict()
    assert written["schema"] == "luneta.reproduction/1"
    assert len(written["lines"]) == len(found.lines) == 16


def test_elip_b_looks_with_blip_2_at_what_an_encoder_found(
    tiny_checkpoint: MakeCheckpoint, data: dict[str, ImageTextDataset]
) -> None:
    encoder, checkpoint = encoder_of(tiny_checkpoint("clip")), tiny_checkpoint("blip2")
    asked: list[float] = []

    def matcher(weight: float) -> Any:
        asked.append(weight)
        return load_cross_encoder(checkpoint, weight=weight, counts="logit", device="cpu", dtype="float32")

    few = {"coco": data["coco"], "imagenet-r": data["imagenet-r"]}
    found = reproduce_elip(encoder, "elip-b", few, matcher=matcher, cache=False)
    assert asked == [1.0, 0.05]
    embeddings = embed(encoder, data["coco"])
    candidates = found_by(embeddings, evaluate_embeddings(embeddings, duplicates="strict"), 20)
    crossed = Crossed(matcher(1.0))
    new = crossed.rescore(candidates.queries, crossed.pictures(data["coco"].images), candidates.candidates)
    np.testing.assert_array_equal(
        found.results["coco"]["baseline"].rankings["text_to_image"].n_better,
        Fusion(1.0, 20).ranking(candidates, new).n_better,
    )
    assert "Candidates are found by" in " ".join(str(found).split())
    with pytest.raises(ConfigError, match="name the cross-encoder"):
        reproduce_elip(encoder, "elip-b", few, cache=False)


@dataclasses.dataclass
class Fading:
    """A picture that can be opened so many times."""

    picture: Any
    times: int

    @property
    def label(self) -> str:
        return str(self.picture.label)

    def key(self) -> str:
        return str(self.picture.key())

    def open(self) -> Any:
        self.times -= 1
        if self.times < 0:
            raise ImageError("the disk is gone")
        return self.picture.open()


def fading(data: ImageTextDataset, times: dict[int, int]) -> ImageTextDataset:
    return dataclasses.replace(data, images=[Fading(ref, times.get(i, 10**6)) for i, ref in enumerate(data.images)])


def test_pictures_that_cannot_be_looked_at_again_leave_and_are_named(
    tiny_checkpoint: MakeCheckpoint, data: dict[str, ImageTextDataset]
) -> None:
    encoder, whole = encoder_of(tiny_checkpoint("clip")), data["coco"]
    matcher: Any = load_cross_encoder(tiny_checkpoint("blip2"), counts="logit", device="cpu", dtype="float32")
    told: dict[str, Any] = {"matcher": lambda weight: matcher, "cache": False, "max_bad_share": 0.3}
    gone = {2: 0, 5: 1, 11: 1}  # one cannot be embedded, two are gone afterwards
    found = reproduce_elip(encoder, "elip-b", {"coco": fading(whole, gone)}, **told)
    without = reproduce_elip(encoder, "elip-b", {"coco": whole.without_images(list(gone))}, **told)
    for one, other in zip(found.lines, without.lines, strict=True):
        assert one.ours == other.ours
    result = found.results["coco"]["baseline"]
    assert result.dataset["n_images"] == whole.n_images - 3
    assert {(row.source, row.reason) for row in result.skipped[-3:]} == {
        (whole.images[i].label, "the disk is gone") for i in gone
    }
    said = " ".join(str(found).split())
    assert "3 left out, since they cannot be read" in said
    assert all(Path(whole.images[i].label).name in said for i in gone)
    assert "left out" not in str(without)
    assert [row["source"] for row in found.to_dict()["skipped"]["coco"]] == [row.source for row in result.skipped]
    with pytest.raises(DatasetError, match=r"2 pictures cannot be looked at again \(.*the disk is gone"):
        reproduce_elip(encoder, "elip-b", {"coco": fading(whole, gone)}, **{**told, "max_bad_share": 0.1})


def test_whether_the_published_number_is_in_the_interval() -> None:
    def line(low: float | None, high: float | None, published: float | None) -> Line:
        return Line("coco", "baseline", "recall@1", Metric(0.4, low, high, 0.1), published)

    assert line(0.35, 0.45, 0.42).within is True
    assert line(0.35, 0.45, 0.45).within is True
    assert line(0.35, 0.45, 0.46).within is False
    assert line(0.35, 0.45, 0.3).within is False
    assert line(0.35, 0.45, None).within is None
    assert line(None, None, 0.42).within is None
    shown = dataclasses.replace(nothing_run("elip-c", "e"), lines=[line(0.35, 0.45, 0.46), line(0.35, 0.45, 0.42)])
    assert [row[3:] for row in shown.grid().rows] == [
        ("0.4000", "0.3500 to 0.4500", "0.4600", "-0.0600", "no"),
        ("0.4000", "0.3500 to 0.4500", "0.4200", "-0.0200", "yes"),
    ]


def test_weights_are_found_where_the_authors_say(tmp_path: Path) -> None:
    for variant in ("elip-c", "elip-s"):
        files.official_checkpoint(tmp_path / f"elip_models/{variant}/original/{variant}.pt", 4, 4)
    for folder in (tmp_path, tmp_path / "elip_models"):
        found = find_weights(folder, "elip-s")
        assert found is not None
        assert found.name == "elip-s.pt"
    assert find_weights(tmp_path, "elip-s2") is None
    own = files.official_checkpoint(tmp_path / "own" / "epoch_2.pt", 4, 4)
    assert find_weights(own, "elip-s2") == find_weights(own.parent, "elip-s2") == own
    files.official_checkpoint(tmp_path / "own" / "epoch_3.pt", 4, 4)
    with pytest.raises(ConfigError, match=r"several checkpoints: epoch_2.pt, epoch_3.pt"):
        find_weights(own.parent, "elip-c")
    with pytest.raises(ConfigError, match="no weights at"):
        find_weights(tmp_path / "nowhere", "elip-c")


def test_data_of_another_kind_are_refused(tiny_checkpoint: MakeCheckpoint, data: dict[str, ImageTextDataset]) -> None:
    encoder = encoder_of(tiny_checkpoint("clip"))
    with pytest.raises(DatasetError, match="luneta build imagenet-r"):
        reproduce_elip(encoder, "elip-c", {"imagenet-r": data["coco"]})
    with pytest.raises(DatasetError, match="holds judged queries"):
        reproduce_elip(encoder, "elip-c", {"coco": data["imagenet-r"]})
    with pytest.raises(ConfigError, match="unknown benchmark"):
        reproduce_elip(encoder, "elip-c", {"cocoa": data["coco"]})
    with pytest.raises(ConfigError, match="has no published numbers"):
        reproduce_elip(encoder, "elip-s3", {})

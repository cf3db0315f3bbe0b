"""Right answers by names and by groups: counted as said, written in the protocol, not compared with another rule's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.comparison import compare
from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import find_groups, same_things
from luneta.embedding import EmbeddingCost, Embeddings
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.evaluation import evaluate, evaluate_embeddings
from luneta.exports import export_trec
from luneta.languages import language_gap
from luneta.positives import find_positives
from luneta.report.evaluation import write_report
from luneta.results import load_evaluation
from luneta.types import EncoderSpec
from paintings import Held, gallery, painting
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


def twice(captions: list[str] | None = None) -> ImageTextDataset:
    """Eight photos, each there twice: the second time smaller, mirrored (photo 7) or the same (photo 6)."""
    images = [Held(f"first-{i}", painting(i)) for i in range(8)]
    images += [Held(f"second-{i}", painting(i).resize((56, 56))) for i in range(6)]
    images += [Held("second-6", painting(6)), Held("second-7", painting(7).transpose(0))]
    said = captions or [f"photo {i % 8}, row {i}" for i in range(16)]
    return gallery(images, [[text] for text in said], columns={"sku": [f"s{i % 4}" for i in range(16)]})


def known(data: ImageTextDataset) -> Embeddings:
    """The vectors of an encoder that knows which of eight photos it sees or reads of, and no more."""
    vectors = np.eye(8, dtype=np.float32)[np.arange(16) % 8]
    spec = EncoderSpec(name="known", embedding_dim=8, fingerprint="")
    return Embeddings(data, vectors, vectors, spec, EmbeddingCost(0.0, 16, 0, 16, 0, None, None))


def test_near_copies_are_right_answers_when_asked_for() -> None:
    data = twice()
    strict, merged, near = (evaluate_embeddings(known(data), duplicates=rule) for rule in ("strict", "merge", "near"))
    for direction in ("text_to_image", "image_to_text"):
        found = [e.metrics[direction]["recall@1"].value for e in (strict, merged, near)]
        # One of two equal vectors is right, at random; of photo 6 both are when equal files count, of 0 to 5 by "near".
        assert found == pytest.approx([0.5, (7 * 0.5 + 1) / 8, (7 + 0.5) / 8])
    assert near.protocol["links"] == {"file": 1, "near_image": 6}  # the mirror image is none
    assert len({e.protocol["hash"] for e in (strict, merged, near)}) == 3


def test_queries_of_one_thing_are_one_cluster() -> None:
    data = twice()
    merged, near = (find_positives(data, rule).clusters for rule in ("merge", "near"))
    for direction in ("text_to_image", "image_to_text"):
        assert len(set(merged[direction].tolist())) == 15
        assert len(set(near[direction].tolist())) == 9
        assert near[direction][:7].tolist() == near[direction][8:15].tolist()


def test_equal_captions_stay_one_cluster_whatever_counts_as_right() -> None:
    """Groups that link no captions: two equal ones are two answers, but still one query asked twice."""
    data = twice([f"row {i}" for i in range(15)] + ["row 0"])
    things = find_groups(data, near=False, captions=False).things()
    found = find_positives(data, things)
    assert found.clusters["text_to_image"][0] == found.clusters["text_to_image"][15]
    assert [0, 15] not in found.pairs.tolist()


def test_items_and_captions_by_groups() -> None:
    data = twice(["minha avó", "minha avô", *(f"row {i}" for i in range(14))])
    groups = find_groups(data, near=False, item_column="sku")
    by_item = find_positives(data, groups.things())
    expected = [[t, i] for t in range(16) for i in range(16) if t % 4 == i % 4]
    assert by_item.pairs.tolist() == sorted(expected)
    by_caption = find_positives(data, groups.things(kinds=["caption", "near_caption"])).pairs.tolist()
    assert by_caption == sorted([*([i, i] for i in range(16)), [0, 1], [1, 0]])
    assert by_item.rules["duplicates"] == "groups"
    assert (
        by_item.rules["relevant_pairs"] != find_positives(data, groups.things(kinds=["file"])).rules["relevant_pairs"]
    )


def test_results_of_unlike_rules_refuse_to_meet() -> None:
    data = twice()
    merged, near, sku, groups = (
        evaluate_embeddings(known(data), duplicates=rule)
        for rule in ("merge", "near", same_things(data, item_column="sku"), find_groups(data).things())
    )
    with pytest.raises(ProtocolMismatchError, match=r"duplicates: .*merge.*near[\s\S]*relevant_pairs"):
        compare([merged, near])
    with pytest.raises(ProtocolMismatchError, match=r"same_item: .*None.*sku[\s\S]*same --same-item"):
        compare([near, sku])
    with pytest.raises(ProtocolMismatchError, match=r"duplicates: .*near.*groups"):
        compare([near, groups])
    again = evaluate_embeddings(known(data), duplicates=same_things(data))
    assert again.protocol == near.protocol
    compare([near, again])


def test_what_cannot_be_decoded_leaves_the_groups_too() -> None:
    """Picture 3 is broken, which groups of files and columns cannot know."""
    data = world(12, captions_per_image=2, broken=[3])
    data = dataclasses.replace(data, rows=pa.table({"sku": [str(i // 2) for i in range(12)]}))
    things = same_things(data, near=False, item_column="sku")
    found = evaluate(ConceptEncoder(), data, duplicates=things, max_bad_share=0.5)
    relevant = found.rankings["text_to_image"].n_relevant
    assert relevant.tolist() == [2] * 4 + [1] * 2 + [2] * 16  # picture 2 has lost its other
    assert (found.protocol["duplicates"], found.protocol["same_item"]) == ("merge", "sku")


class Watched(ConceptEncoder):
    """Fails when it is used."""

    def encode_images(self, images):  # type: ignore[no-untyped-def]
        raise AssertionError("work began")


@pytest.mark.parametrize("other", [world(9), world(10, captions_per_image=2), world(10, equal_captions=[[0, 1]])])
def test_groups_of_other_data_are_refused_before_any_work(other: ImageTextDataset) -> None:
    with pytest.raises(ConfigError, match="groups are of world"):
        evaluate(Watched(), world(10), duplicates=find_groups(other, near=False).things(), cache=False)


def test_exports_count_the_same_answers(tmp_path: Path) -> None:
    export_trec(known(twice()), tmp_path, duplicates="near")
    lines = (tmp_path / "text_to_image.qrels").read_text().splitlines()
    assert "t0 0 i8 1" in lines
    assert "t7 0 i15 1" not in lines


def test_languages_count_the_same_answers() -> None:
    data = dataclasses.replace(world(12), rows=pa.table({"sku": [str(i // 2) for i in range(12)]}))
    shouted = dataclasses.replace(data, texts=[text.replace("thing", "Coisa") for text in data.texts])
    things = {"en": same_things(data, near=False, item_column="sku"), "pt": same_things(shouted, near=False)}
    found = language_gap(ConceptEncoder(), {"en": data, "pt": shouted}, duplicates=things)
    assert found.evaluations["en"].rankings["text_to_image"].n_relevant.tolist() == [2] * 12
    assert found.evaluations["pt"].rankings["text_to_image"].n_relevant.tolist() == [1] * 12
    assert found.writings["en", "UPPER CASE"].rankings["text_to_image"].n_relevant.tolist() == [2] * 12
    with pytest.raises(ConfigError, match="lacks pt"):
        language_gap(ConceptEncoder(), {"en": data, "pt": shouted}, duplicates={"en": "merge"})
    near = language_gap(ConceptEncoder(), {"en": data, "pt": shouted}, duplicates="near")
    assert {e.protocol["duplicates"] for e in (*near.evaluations.values(), *near.writings.values())} == {"near"}


@pytest.mark.parametrize(
    ("locale", "said"), [("en", "near-identical images: 6"), ("pt-BR", "imagens quase idênticas: 6")]
)
def test_the_page_says_what_counts(tmp_path: Path, locale: str, said: str) -> None:
    data = twice()
    found = evaluate_embeddings(known(data), duplicates=same_things(data, item_column="sku"))
    page = write_report(tmp_path / "r.html", [found], locale=locale).read_text(encoding="utf-8")  # type: ignore[arg-type]
    assert said in page
    assert "sku" in page
    assert "near + sku" in str(found)


def write_catalogue(folder: Path) -> Path:
    """Three garments, each photographed from two sides, and a smaller copy of one photo."""
    folder.mkdir()
    rows = [f"{n}.png,garment {n},{n // 2}" for n in range(6)]
    for n in range(6):
        painting(n).save(folder / f"{n}.png")
    painting(0).resize((56, 56)).save(folder / "6.png")
    lines = ["file_name,caption,sku", *rows, "6.png,a copy,"]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_the_command_line(tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "160"})
    arguments = ["evaluate", str(write_catalogue(tmp_path / "catalogue"))]
    for options, expected in (
        ([], [1] * 7),
        (["--duplicates", "near"], [2, 1, 1, 1, 1, 1, 2]),
        (["--same-item", "sku"], [2] * 6 + [1]),
        (["--duplicates", "near", "--same-item", "sku"], [3, 3, 2, 2, 2, 2, 3]),
    ):
        done = run.invoke(app, [*arguments, *options, "--json", str(tmp_path / "r.json")])
        assert done.exit_code == 0, done.output
        found = load_evaluation(tmp_path / "r.json")
        assert found.rankings["text_to_image"].n_relevant.tolist() == expected, options
        json.dumps(found.to_dict(), allow_nan=False)
    assert "near + sku" in done.stdout
    for options, message in (
        (["--same-item", "skus"], "Did you mean sku"),
        (["--duplicates", "strict", "--same-item", "sku"], "leave out --same-item"),
        (["--duplicates", "nearly"], "Did you mean near"),
    ):
        refused = run.invoke(app, [*arguments, *options])
        assert refused.exit_code == 2
        assert message in refused.output

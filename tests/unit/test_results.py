"""What a result's files promise: whole or not at all, never another's, and never a raw error when read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luneta.artifacts import hash_json
from luneta.errors import ArtifactError
from luneta.evaluation import evaluate
from luneta.report.evaluation import write_report
from luneta.results import Evaluation, Metric, load_evaluation
from luneta.types import DIRECTIONS, EncoderSpec, SkippedRow
from worlds import ConceptEncoder, world


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(ConceptEncoder(noise=2.0), world(30, captions_per_image=2), cache=False)


@pytest.fixture(scope="module")
def other() -> Evaluation:
    return evaluate(ConceptEncoder(noise=5.0), world(30, captions_per_image=2), cache=False)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("x.v1", "x.v2"),
        ("out.luneta-mini", "out.luneta-mini-siglip"),
        ("result", "result.json"),
        ("x", "x.json"),
        ("x.json", "x.json.json"),
    ],
)
def test_results_of_several_names_share_a_folder(
    tmp_path: Path, evaluation: Evaluation, other: Evaluation, one: str, two: str
) -> None:
    evaluation.save(tmp_path / one)
    other.save(tmp_path / two)
    assert load_evaluation(tmp_path / one).metrics == evaluation.metrics
    assert load_evaluation(tmp_path / two).metrics == other.metrics


def test_arrow_s_threads_are_given_nothing_of_python_s(
    tmp_path: Path, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may let go of it when the interpreter is gone, which ends the process."""
    evaluation.save(tmp_path / "result.json")
    read, given = pq.read_table, []
    monkeypatch.setattr(pq, "read_table", lambda source: given.append(source) or read(source))
    assert load_evaluation(tmp_path / "result.json").metrics == evaluation.metrics
    (source,) = given
    assert isinstance(source, pa.BufferReader)


def test_a_failing_save_leaves_the_good_result(tmp_path: Path, evaluation: Evaluation) -> None:
    evaluation.save(tmp_path / "result.json")
    metrics = {d: {**evaluation.metrics[d], "mrr": Metric(float("nan"), None, None, None)} for d in DIRECTIONS}
    with pytest.raises(ValueError, match="JSON"):
        replace(evaluation, metrics=metrics, query_names={d: ["x"] * len(n) for d, n in evaluation.query_names.items()}
                ).save(tmp_path / "result.json")  # fmt: skip
    assert load_evaluation(tmp_path / "result.json").metrics == evaluation.metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["queries.parquet", "result.json"]


def test_a_pipe_cannot_hold_a_result(tmp_path: Path, evaluation: Evaluation) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="two files"):
        evaluation.save(tmp_path / "pipe")


def test_names_that_are_no_utf_8_are_saved_and_shown(tmp_path: Path, evaluation: Evaluation) -> None:
    odd = os.fsdecode(b"caf\xe9")
    names = {d: [f"{odd} {name}" for name in evaluation.query_names[d]] for d in DIRECTIONS}
    dataset = {**evaluation.dataset, "name": f"photos/{odd}"}
    skipped = (SkippedRow(3, f"{odd}.jpg", "damaged file"),)
    assert evaluation.data is not None
    data = replace(evaluation.data, texts=[f"half of a pair: \ud83d {text}" for text in evaluation.data.texts])
    result = replace(evaluation, query_names=names, dataset=dataset, skipped=skipped, data=data)
    result.save(tmp_path / f"{odd}.json")
    loaded = load_evaluation(tmp_path / f"{odd}.json")
    assert loaded.dataset["name"] == "photos/caf\ufffd"
    assert loaded.skipped[0].source == "caf\ufffd.jpg"
    assert loaded.query_names["image_to_text"][0].startswith("caf\ufffd ")
    page = write_report(tmp_path / "report.html", [result]).read_text(encoding="utf-8")
    assert "caf\ufffd.jpg" in page


@dataclass
class Talkative(ConceptEncoder):
    """Says of itself what JSON has no word for."""

    @property
    def spec(self) -> EncoderSpec:
        details: dict[str, Any] = {
            "path": Path("weights/x"), "layers": np.int64(5), "mean": np.float32([0.5, 0.25]), 7: {"set": {"b", "a"}},
            "epsilon": float("nan"), "flag": np.bool_(True), "shape": (2, 3),
        }  # fmt: skip
        return replace(
            super().spec, details=details, logit_scale=np.float32(100), n_parameters=np.int64(5_000_000),
            languages=["en"],
        )  # fmt: skip


def test_what_an_encoder_says_of_itself_is_written_as_plain_values(tmp_path: Path) -> None:
    result = evaluate(Talkative(), world(5), cache=False)
    result.save(tmp_path / "result.json")
    encoder = json.loads((tmp_path / "result.json").read_text())["encoder"]
    assert encoder == load_evaluation(tmp_path / "result.json").encoder == result.encoder
    assert (encoder["logit_scale"], encoder["n_parameters"], encoder["languages"]) == (100.0, 5_000_000, ["en"])
    assert encoder["details"] == {
        "path": str(Path("weights/x")), "layers": 5, "mean": [0.5, 0.25], "7": {"set": ["a", "b"]},
        "epsilon": "nan", "flag": True, "shape": [2, 3],
    }  # fmt: skip
    assert "5,000,000" in write_report(tmp_path / "report.html", [result]).read_text(encoding="utf-8")


def edited(content: dict[str, Any], edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The content with an edit and a seal that fits it."""
    edit(content)
    del content["seal"]
    return content | {"seal": hash_json(content)}


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content.pop("queries"),
        lambda content: content.pop("metrics"),
        lambda content: content["queries"].update(file="../elsewhere/q.parquet"),
        lambda content: content["queries"].update(file=7),
        lambda content: content.update(metrics=[]),
        lambda content: content["metrics"]["text_to_image"]["mrr"].update(surprise=1),
        lambda content: content.update(skipped=[{"row": 1}]),
    ],
)
def test_a_sealed_file_that_is_no_whole_result_is_named(
    tmp_path: Path, evaluation: Evaluation, edit: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "result.json"
    evaluation.save(path)
    path.write_text(json.dumps(edited(json.loads(path.read_text()), edit)))
    with pytest.raises(ArtifactError, match=r"result\.json"):
        load_evaluation(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_edited_in_is_named(tmp_path: Path, evaluation: Evaluation, number: str) -> None:
    path = tmp_path / "result.json"
    evaluation.save(path)
    value = repr(evaluation.metrics["text_to_image"]["mrr"].value)
    path.write_text(path.read_text().replace(value, number, 1))
    with pytest.raises(ArtifactError, match=r"result\.json"):
        load_evaluation(path)


def test_queries_without_their_columns_are_named(tmp_path: Path, evaluation: Evaluation) -> None:
    path = tmp_path / "result.json"
    queries = evaluation.save(path)
    pq.write_table(pq.read_table(queries).drop_columns(["relevant"]), queries)

    def seal_again(content: dict[str, Any]) -> None:
        import hashlib

        content["queries"]["sha256"] = hashlib.sha256(queries.read_bytes()).hexdigest()

    path.write_text(json.dumps(edited(json.loads(path.read_text()), seal_again)))
    with pytest.raises(ArtifactError, match="not a whole result"):
        load_evaluation(path)


def test_results_can_be_compared_and_collected_without_an_error(evaluation: Evaluation, other: Evaluation) -> None:
    assert evaluation == evaluation
    assert evaluation != replace(evaluation)
    assert len({evaluation, evaluation, other}) == 2

"""evaluate() against a float64 twin that follows the definitions word for word, and its edges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from luneta.artifacts import read_json, write_json
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import embed
from luneta.errors import ArtifactError, ConfigError, DatasetError, EncoderError, ShapeError
from luneta.evaluation import evaluate, evaluate_embeddings
from luneta.results import Evaluation, load_evaluation
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, ForgetfulEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


def twin(encoder: ConceptEncoder, data: ImageTextDataset, relevant: np.ndarray) -> dict[str, dict[str, float]]:
    """Metrics by full sorting in float64; `relevant` is (n_texts, n_images) bool."""
    texts = encoder.encode_texts(data.texts).astype(np.float64)
    images = encoder.encode_images([image.open() for image in data.images]).astype(np.float64)
    similarity = texts @ images.T
    found = {}
    for direction, scores, truth in (
        ("text_to_image", similarity, relevant),
        ("image_to_text", similarity.T, relevant.T),
    ):
        order = np.argsort(-scores, axis=1, kind="stable")
        hits = np.take_along_axis(truth, order, axis=1)
        first = hits.argmax(axis=1) + 1
        gains = hits[:, :10] / np.log2(np.arange(2, hits[:, :10].shape[1] + 2))
        ideal = [sum(1 / np.log2(i + 2) for i in range(min(10, n))) for n in truth.sum(axis=1)]
        found[direction] = {
            **{f"recall@{k}": float((first <= k).mean()) for k in (1, 5, 10, 50)},
            "mrr": float((1 / first).mean()),
            "ndcg@10": float((gains.sum(axis=1) / ideal).mean()),
            "median_rank": float(np.median(first)),
            "mean_positive_similarity": float(scores[truth].mean()),
            "mean_negative_similarity": float(scores[~truth].mean()),
        }
    return found


@pytest.mark.parametrize("duplicates", ["merge", "strict"])
@pytest.mark.parametrize("noise", [0.5, 2.0, 8.0])
def test_every_number_against_the_definitions(noise: float, duplicates: str) -> None:
    data = world(60, captions_per_image=3)
    relevant = np.repeat(np.eye(60, dtype=bool), 3, axis=0)
    encoder = ConceptEncoder(noise=noise)
    evaluation = evaluate(encoder, data, duplicates=duplicates)
    for direction, expected in twin(encoder, data, relevant).items():
        for name, value in expected.items():
            assert evaluation.metrics[direction][name].value == pytest.approx(value, abs=1e-6), (direction, name)


def test_equal_captions_are_relevant_to_each_others_images() -> None:
    data = world(40, equal_captions=[[0, 1, 2], [10, 20]])
    relevant = np.array([[left == right for right in data.texts] for left in data.texts])
    encoder = ConceptEncoder(noise=0.3)
    merged, strict = evaluate(encoder, data), evaluate(encoder, data, duplicates="strict")
    expected = twin(encoder, data, relevant)
    assert merged.metrics["text_to_image"]["mrr"].value == pytest.approx(expected["text_to_image"]["mrr"], abs=1e-6)
    assert merged.metrics["text_to_image"]["mrr"].value > strict.metrics["text_to_image"]["mrr"].value
    assert merged.protocol["hash"] != strict.protocol["hash"]
    assert merged.protocol["duplicates"] == "merge"


def test_a_constant_encoder_scores_chance_and_never_more() -> None:
    evaluation = evaluate(ConceptEncoder(constant=True), world(50, captions_per_image=2))
    for direction in DIRECTIONS:
        for name, metric in evaluation.metrics[direction].items():
            if metric.chance is not None:
                assert metric.value == pytest.approx(metric.chance, abs=1e-9), (direction, name)
    assert evaluation.metrics["text_to_image"]["recall@1"].value == pytest.approx(1 / 50)
    assert evaluation.metrics["image_to_text"]["recall@1"].value == pytest.approx(2 / 100)


def test_a_broken_picture_leaves_with_its_texts_and_no_other_pair_shifts() -> None:
    whole = evaluate(ConceptEncoder(), world(50, captions_per_image=2))
    holed = evaluate(ConceptEncoder(), world(50, captions_per_image=2, broken=[7]), max_bad_share=0.05)
    assert holed.dataset["n_images"] == 49
    assert holed.dataset["n_texts"] == 98
    assert [(row.source, row.reason) for row in holed.skipped] == [("picture-7", "truncated")]
    for direction in DIRECTIONS:
        assert whole.metrics[direction]["recall@1"].value == 1
        assert holed.metrics[direction]["recall@1"].value == 1


def test_too_many_broken_pictures_stop_the_run() -> None:
    with pytest.raises(DatasetError, match="truncated"):
        evaluate(ConceptEncoder(), world(50, broken=[7]))


def test_one_pair_is_defined() -> None:
    evaluation = evaluate(ConceptEncoder(), world(1))
    for direction in DIRECTIONS:
        assert evaluation.metrics[direction]["recall@1"].value == 1
        assert evaluation.metrics[direction]["recall@1"].chance == 1
        assert "mean_negative_similarity" not in evaluation.metrics[direction]
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_all_captions_equal_is_defined() -> None:
    evaluation = evaluate(ConceptEncoder(), world(12, equal_captions=[range(12)]))
    assert evaluation.metrics["text_to_image"]["recall@1"].value == 1
    assert evaluation.metrics["text_to_image"]["recall@1"].chance == 1


def test_normalised_recall_needs_a_gallery_of_a_thousand() -> None:
    small = evaluate(ConceptEncoder(noise=3.0), world(60))
    assert "recall@1|1000" not in small.metrics["text_to_image"]
    large = evaluate(ConceptEncoder(noise=3.0, dim=16), world(1200))
    metrics = large.metrics["text_to_image"]
    assert metrics["recall@1|1000"].value > metrics["recall@1"].value


def test_cached_vectors_are_reused_only_for_the_same_fingerprint() -> None:
    data = world(20)
    first, again = evaluate(ConceptEncoder(), data), evaluate(ConceptEncoder(), data)
    other = evaluate(ConceptEncoder(noise=0.1), data)
    assert (first.cost["n_images_computed"], again.cost["n_images_computed"]) == (20, 0)
    assert other.cost["n_images_computed"] == 20
    assert again.metrics == first.metrics


def test_the_protocol_follows_the_content() -> None:
    encoder = ConceptEncoder()
    left, right = evaluate(encoder, world(20)), evaluate(ConceptEncoder(noise=1), world(20))
    assert left.protocol["hash"] == right.protocol["hash"]
    assert evaluate(encoder, world(21)).protocol["hash"] != left.protocol["hash"]


def test_unknown_duplicates_rule() -> None:
    with pytest.raises(ConfigError, match="merge"):
        evaluate(ConceptEncoder(), world(3), duplicates="merged")  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="merge"):
        evaluate_embeddings(embed(ConceptEncoder(), world(3)), duplicates="mrege")  # type: ignore[arg-type]


def test_what_cannot_be_otherwise_has_no_interval() -> None:
    metrics = evaluate(ConceptEncoder(constant=True), world(20)).metrics["text_to_image"]
    assert (metrics["recall@50"].value, metrics["recall@50"].low) == (1, None)  # of 20 images
    assert metrics["mean_positive_similarity"].value == pytest.approx(1)
    assert metrics["mean_positive_similarity"].low is None


def test_equal_captions_are_one_query_asked_several_times() -> None:
    """Also where the strict rule tells them apart: the interval of ten labels is as wide as that of ten queries."""
    labels = world(400, equal_captions=[range(start, 400, 10) for start in range(10)])
    found = evaluate(ConceptEncoder(noise=2.0, dim=64), labels, duplicates="strict").metrics["text_to_image"]["mrr"]
    alone = evaluate(ConceptEncoder(noise=2.0, dim=64), world(400), duplicates="strict").metrics["text_to_image"]["mrr"]
    widths = [metric.high - metric.low for metric in (found, alone) if metric.low is not None and metric.high]
    assert widths[0] / found.value > widths[1] / alone.value


def test_a_cache_that_cannot_be_used_costs_time_not_the_result(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "file" / "cache"))
    found = evaluate(ConceptEncoder(), world(5))
    assert found.metrics["text_to_image"]["recall@1"].value == 1
    assert "LUNETA_CACHE" in caplog.text


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(DatasetError, match="nothing to evaluate"):
        evaluate(ConceptEncoder(), world(0))


@pytest.fixture
def evaluation() -> Evaluation:
    return evaluate(ConceptEncoder(noise=2.0), world(30, captions_per_image=2))


def test_saved_and_loaded_is_the_same(tmp_path: Path, evaluation: Evaluation) -> None:
    queries = evaluation.save(tmp_path / "result.json")
    assert queries == tmp_path / "queries.parquet"
    loaded = load_evaluation(tmp_path / "result.json")
    assert loaded.metrics == evaluation.metrics
    assert loaded.to_dict() == json.loads(json.dumps(evaluation.to_dict()))
    for direction in DIRECTIONS:
        for name in ("offsets", "positives", "n_better", "n_tied", "scores", "top_item", "top_score"):
            np.testing.assert_array_equal(
                getattr(loaded.rankings[direction], name), getattr(evaluation.rankings[direction], name)
            )
        assert loaded.rankings[direction].gallery_size == evaluation.rankings[direction].gallery_size


def test_the_queries_file_is_one_row_per_query_and_direction(tmp_path: Path, evaluation: Evaluation) -> None:
    table = pq.read_table(evaluation.save(tmp_path / "mine.json"))
    assert (tmp_path / "mine.queries.parquet").is_file()
    assert table.num_rows == 60 + 30
    ranks = np.array(table.filter(table["direction"].to_numpy() == "text_to_image")["rank"])
    assert (ranks <= 1).mean() == pytest.approx(evaluation.metrics["text_to_image"]["recall@1"].value)


def test_an_edited_result_is_refused(tmp_path: Path, evaluation: Evaluation) -> None:
    path = tmp_path / "result.json"
    queries = evaluation.save(path)
    content = read_json(path)
    content["metrics"]["text_to_image"]["recall@1"]["value"] = 0.99
    write_json(path, content)
    with pytest.raises(ArtifactError, match="edited"):
        load_evaluation(path)
    evaluation.save(path)
    queries.write_bytes(queries.read_bytes()[:-10])
    with pytest.raises(ArtifactError, match=r"queries\.parquet"):
        load_evaluation(path)
    queries.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        load_evaluation(path)
    write_json(path, {"schema": "luneta.evaluation/0"})
    with pytest.raises(ArtifactError, match="schema"):
        load_evaluation(path)
    write_json(path, [])
    with pytest.raises(ArtifactError, match="schema"):
        load_evaluation(path)


def test_printing_shows_both_directions_chance_and_the_protocol(evaluation: Evaluation) -> None:
    text = str(evaluation)
    for part in ("text → image", "image → text", "chance", evaluation.protocol["hash"][:12], "concepts"):
        assert part in text
    assert f"{evaluation.metrics['image_to_text']['recall@5'].value:.3f}" in text


def test_exhibits_show_what_they_say(evaluation: Evaluation) -> None:
    assert evaluation.exhibits is not None
    for direction in DIRECTIONS:
        shown = evaluation.exhibits[direction]
        assert all(example.rank == 1 and example.retrieved[0] in example.relevant for example in shown.hits)
        assert all(1 < example.rank <= 10 for example in shown.near_misses)
        assert all(example.retrieved[0] not in example.relevant for example in shown.near_misses)
        assert all(example.rank > 10 for example in shown.failures)
        assert sum(shown.positive) == pytest.approx(1)
        assert sum(shown.negative) == pytest.approx(1)


def test_every_encoder_is_examined_before_it_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    good = evaluate(ConceptEncoder(noise=1.0), world(12))
    assert {check["name"] for check in good.checks} > {"determinism", "order"}
    assert not [check for check in good.checks if check["verdict"] == "fail"]
    bad = evaluate(ConceptEncoder(constant=True), world(12))
    assert [check["name"] for check in bad.checks if check["verdict"] == "fail"]
    assert "luneta doctor says more" in caplog.text
    assert "Do not trust concepts yet" in str(bad)
    assert "Do not trust" not in str(good)


def test_captions_that_lost_their_end_are_in_the_result(tmp_path: Path) -> None:
    """Also those whose vectors were stored before; they are no part of the protocol."""
    found = [evaluate(ForgetfulEncoder(noise=1.0, reads=14), world(12)) for _ in range(2)]
    silent = evaluate(ConceptEncoder(noise=1.0), world(12))
    assert [e.dataset["n_truncated"] for e in (*found, silent)] == [2, 2, None]
    assert found[0].protocol["hash"] == silent.protocol["hash"]
    found[1].save(tmp_path / "result.json")
    assert load_evaluation(tmp_path / "result.json").dataset["n_truncated"] == 2


class Picky(ConceptEncoder):
    """Takes the pictures of these tests and no others, as an encoder for one camera might."""

    def encode_images(self, images):  # type: ignore[no-untyped-def]
        if any(image.size != (2, 2) for image in images):
            raise ShapeError("expected pictures of 2 x 2")
        return super().encode_images(images)


class Locked(ConceptEncoder):
    """Fails when it is opened up."""

    def anatomy(self):  # type: ignore[no-untyped-def]
        raise KeyError("weights of an earlier version")


@pytest.mark.parametrize(
    ("encoder", "said"),
    [(Picky(noise=1.0), "ShapeError: expected pictures of 2 x 2"), (Locked(noise=1.0), "KeyError: 'weights of")],
)
def test_an_examination_that_fails_loses_no_result(
    encoder: ConceptEncoder, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = evaluate(encoder, world(12))
    assert found.metrics == evaluate(ConceptEncoder(noise=1.0), world(12)).metrics
    (check,) = found.checks
    assert (check["name"], check["verdict"]) == ("examination", "not known")
    assert said in check["measured"]
    assert "concepts could not be examined" in caplog.text
    json.dumps(found.to_dict(), allow_nan=False)
    assert "Do not trust" not in str(found)


def test_an_encoder_is_examined_before_the_work() -> None:
    class Watched(ConceptEncoder):
        def encode_images(self, images):  # type: ignore[no-untyped-def]
            sizes.append({image.size for image in images})
            return super().encode_images(images)

    sizes: list[set[tuple[int, int]]] = []
    evaluate(Watched(noise=1.0), world(12))
    assert sizes[0].isdisjoint({(2, 2)}), "the doctor's pictures come first"
    assert sizes[-1] == {(2, 2)}


def test_what_is_no_encoder_is_refused() -> None:
    with pytest.raises(EncoderError, match="'luneta-mini' is no encoder: expected what load_encoder returns"):
        evaluate("luneta-mini", world(3))  # type: ignore[arg-type]

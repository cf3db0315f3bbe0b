"""Cut-offs below which nothing is relevant: the chosen error rate holds, and the measured ones are what is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.bundles import Bundle, IndexRecipe, build_bundle
from luneta.bundles.attaching import calibrate
from luneta.bundles.calibration import Calibration, Cutoff, Rate, best_scores, chosen_cutoff, measured_cutoff
from luneta.errors import ArtifactError, ConfigError
from luneta.index import build_index
from worlds import ConceptEncoder, world

PLAIN = IndexRecipe(kind="exact", text_tower=False)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


@given(st.lists(st.floats(-1, 1, width=32), min_size=19, max_size=200), st.sampled_from([0.05, 0.1, 0.3]))
def test_no_more_than_the_rate_of_the_choosing_queries_fall_on_the_wrong_side(scores: list[float], rate: float) -> None:
    found = np.array(scores, dtype=np.float64)
    most = int(np.floor(rate * (len(found) + 1) + 1e-9))
    missed = chosen_cutoff(found, np.zeros(0), "missed", rate)
    assert (found < missed).sum() <= most - 1
    assert (found <= missed).sum() >= most
    fooled = chosen_cutoff(np.zeros(0), found, "fooled", rate)
    assert (found >= fooled).sum() <= most - 1
    assert (found >= np.nextafter(np.float32(fooled), np.float32(-2))).sum() >= most


@pytest.mark.parametrize("mistake", ["missed", "fooled"])
def test_new_queries_are_misjudged_at_the_rate_asked_for(mistake: str) -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(3000):
        chosen, new = rng.beta(2, 5, 39), rng.beta(2, 5, 40)
        value = chosen_cutoff(chosen, chosen, mistake, 0.1)  # type: ignore[arg-type]
        rates.append(np.mean(new < value if mistake == "missed" else new >= value))
    assert abs(np.mean(rates) - 0.1) < 0.005  # 4 / (39 + 1), to four standard errors


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 19 are needed"):
        chosen_cutoff(np.ones(18), np.ones(18), "missed", 0.05)
    assert chosen_cutoff(np.arange(19.0), np.ones(19), "missed", 0.05) == 0
    with pytest.raises(ConfigError, match="error_rate"):
        chosen_cutoff(np.ones(18), np.ones(18), "missed", 1.0)


def test_best_scores_with_and_without_the_answers() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, ids = vectors[:20], np.arange(100, 150)
    answers = [rng.choice(ids, rng.integers(0, 6), replace=False) for _ in queries]
    whole, less = best_scores(build_index(ids, vectors, kind="exact"), queries, answers)
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    np.testing.assert_allclose(whole, scores.max(axis=1), atol=1e-6)
    expected = [scores[q][~np.isin(ids, own)].max() for q, own in enumerate(answers)]
    np.testing.assert_allclose(less, expected, atol=1e-6)
    everything = best_scores(build_index(ids, vectors, kind="exact"), queries[:1], [ids])
    assert everything[1][0] == -np.inf


def test_queries_of_one_group_stay_in_one_half_and_rates_are_of_the_other() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(100), 5)
    whole, less = rng.normal(1, 0.2, 500), rng.normal(0, 0.2, 500)
    found = measured_cutoff(
        "image", "en", (whole, less), np.ones(500, bool), groups, mistake="missed", error_rate=0.1, seed=3
    )
    half = np.isin(groups, np.random.default_rng(3).permutation(100)[:50])
    assert found.n_chosen == half.sum() == 250
    assert found.value == np.sort(whole[half])[24]
    assert found.missed.value == np.mean(whole[~half] < found.value)
    assert found.fooled.value == np.mean(less[~half] >= found.value)
    assert found.missed.low is not None
    assert found.missed.high is not None
    assert found.missed.low <= found.missed.value <= found.missed.high
    assert found.without == "their answers taken away"


def test_queries_that_have_no_answer_are_taken_where_there_are_any() -> None:
    rng = np.random.default_rng(2)
    has_answer = np.arange(400) % 2 == 0
    whole = np.where(has_answer, rng.normal(1, 0.1, 400), rng.normal(0, 0.1, 400))
    found = measured_cutoff("image", None, (whole, np.full(400, 9.0)), has_answer, np.arange(400), error_rate=0.1)
    assert found.fooled.value == 0
    assert found.missed.n + found.n_chosen == 200
    assert found.without.startswith("queries whose pictures")


def test_a_few_without_an_answer_do_not_decide(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    has_answer = np.arange(400) >= 10
    whole, less = rng.normal(1, 0.1, 400), rng.normal(0, 0.1, 400)
    found = measured_cutoff("image", None, (whole, less), has_answer, np.arange(400), error_rate=0.1)
    assert found.without == "their answers taken away"
    assert found.fooled.n + found.missed.n == 2 * found.missed.n


def test_equal_queries_count_once(tmp_path: Path) -> None:
    """Ten class names of four hundred pictures are ten queries, too few to choose with."""
    data = world(400, equal_captions=[[i for i in range(400) if i % 10 == k] for k in range(10)])
    build_bundle(ConceptEncoder(0.5), data, tmp_path / "b", recipe=PLAIN)
    with pytest.raises(ConfigError, match="too few"):
        calibrate(tmp_path / "b")


def rate(value: float) -> Rate:
    return Rate(value, None, None, 10)


def cut(language: str | None, value: float) -> Cutoff:
    return Cutoff("image", language, value, "missed", 0.05, 10, rate(0.1), rate(0.2), "x")


def test_a_query_is_held_to_the_cutoff_of_its_language() -> None:
    both = Calibration([cut("en", 0.3), cut("pt-BR", 0.2)], {"image": 3, "text": 3})
    assert both.cutoff("image", "en") == cut("en", 0.3)
    assert both.cutoff("image", "fr") == both.cutoff("image") == cut("pt-BR", 0.2)
    assert both.cutoff("text") is None
    more = both.joined(Calibration([cut(None, 0.4), cut("en", 0.1)], {"image": 4, "text": 4}))
    assert more.cutoff("image", "fr") == cut(None, 0.4)
    assert more.cutoff("image", "en") == cut("en", 0.1)
    assert more.n_items["image"] == 4
    assert len(more.cutoffs) == 3


def test_it_is_kept_in_the_bundle_and_by_an_update(tmp_path: Path) -> None:
    data, encoder = world(120, captions_per_image=2), ConceptEncoder(0.5)
    build_bundle(encoder, data, tmp_path / "b", recipe=PLAIN)
    own = calibrate(tmp_path / "b")
    assert {c.target for c in own.cutoffs} == {"image", "text"}
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.calibration == Calibration(list(own.cutoffs), own.n_items)
    given = calibrate(tmp_path / "b", world(240, captions_per_image=2), encoder=encoder, language="en")
    assert {c.language for c in given.cutoffs} == {None, "en"}
    english = given.cutoff("image", "en")
    assert english is not None
    assert english.without.startswith("queries whose pictures")
    assert english.n_chosen + english.missed.n == 240
    assert english.fooled.n < 240
    after = build_bundle(encoder, world(121), tmp_path / "b", update=True).bundle
    assert after.calibration == Bundle.open(tmp_path / "b").calibration
    assert after.calibration is not None
    assert len(after.calibration.cutoffs) == 4
    assert {damage for _, damage in after.verify()} == {None}


def test_equal_captions_and_pictures_are_answers_too(tmp_path: Path) -> None:
    """A caption of another picture that is equal to one in the bundle has an answer there."""
    encoder = ConceptEncoder(0.0)
    data = world(80)
    build_bundle(encoder, data, tmp_path / "b", recipe=PLAIN)
    twin = world(160, equal_captions=[[i, 80 + i] for i in range(80)])
    for others in (twin, twin.without_images(range(80))):  # the second holds none of the bundle's pictures
        found = calibrate(tmp_path / "b", others, encoder=encoder).cutoff("image")
        assert found is not None
        assert found.without == "their answers taken away"


def test_a_damaged_calibration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"schema": "luneta.calibration/1", "cutoffs": [{}], "n_items": {}}')
    with pytest.raises(ArtifactError, match="no calibration"):
        Calibration.read(tmp_path / "c.json")
    with pytest.raises(ConfigError, match="missed or fooled"):
        measured_cutoff("image", None, (np.ones(9), np.ones(9)), np.ones(9, bool), np.arange(9), mistake="both")  # type: ignore[arg-type]

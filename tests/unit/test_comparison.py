"""Comparisons: paired, corrected, by slices; unlike protocols refused with what differs and the way out."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.comparison import COMPARED, Comparison, compare
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.evaluation import evaluate
from luneta.grids import FORMATS
from luneta.metrics import METRICS
from luneta.results import Evaluation, load_evaluation
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, words_of, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


def measured(noise: float, data: ImageTextDataset | None = None, name: str = "") -> Evaluation:
    data = world(120, captions_per_image=3) if data is None else data
    return evaluate(ConceptEncoder(noise=noise, name=name or f"noise {noise}"), data)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return compare([measured(1.0), measured(1.01), measured(1.6)])


def test_differences_are_means_of_paired_differences(three: Comparison) -> None:
    assert len(three.differences) == 2 * len(COMPARED) * 3
    for found in three.differences:
        first, second = (
            METRICS[found.metric](three.evaluations[i].rankings[found.direction]) for i in (found.first, found.second)
        )
        assert found.value == pytest.approx((first - second).mean())
        assert (found.n_wins, found.n_losses) == ((first > second).sum(), (first < second).sum())
        if (first == second).all():
            assert (found.low, found.p) == (None, 1)
        else:
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.value <= found.high
        assert found.p <= found.p_holm <= 1


def test_a_clear_difference_is_sure_and_an_accidental_one_is_not(three: Comparison) -> None:
    clear = three.difference("text_to_image", "recall@1", 0, 2)
    assert clear.is_significant
    assert clear.value > 0.1
    turned = three.difference("text_to_image", "recall@1", 2, 0)
    assert (turned.value, turned.low, turned.high) == (-clear.value, -(clear.high or 0), -(clear.low or 0))
    assert (turned.n_wins, turned.n_losses) == (clear.n_losses, clear.n_wins)
    same = compare([three.evaluations[0], three.evaluations[0]])
    for found in same.differences:
        assert (found.value, found.p, found.is_significant) == (0, 1, False)


def test_pairs_of_equal_models_are_rarely_called_different() -> None:
    """Eight models of the same skill: some of the 28 pairs look different by accident; corrected, none does."""
    data = world(80)
    found = compare([measured(1.0 + i / 1e3, data, name=f"m{i}") for i in range(8)])
    for direction in DIRECTIONS:
        family = [d for d in found.differences if (d.direction, d.metric) == (direction, "mrr")]
        assert min(d.p for d in family) < 0.15
        assert not any(d.is_significant for d in family)


def test_unlike_protocols_are_refused_with_what_differs() -> None:
    small, large = measured(1.0), measured(1.0, world(130, captions_per_image=3))
    with pytest.raises(ProtocolMismatchError) as caught:
        compare([small, large])
    message = str(caught.value)
    assert "n_images: noise 1.0 #1: 120; noise 1.0 #2: 130" in message
    assert "dataset_fingerprint" in message
    assert "the same split" in message
    strict = evaluate(ConceptEncoder(noise=1.0), world(120, captions_per_image=3), duplicates="strict")
    with pytest.raises(ProtocolMismatchError, match=r"duplicates: .*merge.*strict[\s\S]*--duplicates"):
        compare([small, strict])


def test_samples_of_different_size_are_told_of_the_normalised_recall() -> None:
    one, other = (evaluate(ConceptEncoder(noise=3.0, dim=16), world(n)) for n in (1000, 1200))
    with pytest.raises(ProtocolMismatchError, match=r"recall@1\|1000 allows for .*\[0\.\d+, 0\.\d+\]"):
        compare([one, other])


def test_one_result_is_not_compared() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        compare([measured(1.0)])


def test_slices_are_means_over_their_own_queries() -> None:
    data = world(120, captions_per_image=3)
    kinds = np.array(["cat", "dog", "owl"])[np.arange(120) % 3]
    data = dataclasses.replace(data, rows=pa.table({"kind": kinds.tolist(), "number": list(range(120))}))
    found = compare([measured(2.0, data), measured(5.0, data)])
    own = {(s.direction, s.value): s for s in found.slices if s.name == "kind"}
    assert set(own) == {(d, k) for d in DIRECTIONS for k in ("cat", "dog", "owl")}
    for (direction, kind), part in own.items():
        chosen = np.repeat(kinds, 3) == kind if direction == "text_to_image" else kinds == kind
        assert part.n_queries == chosen.sum()
        for evaluation, value in zip(found.evaluations, part.values, strict=True):
            assert value == pytest.approx(METRICS["recall@1"](evaluation.rankings[direction])[chosen].mean())
        assert part.differences[0] is None
        assert part.differences[1] is not None
        assert part.differences[1][0] == pytest.approx(part.values[1] - part.values[0])
    assert "number" not in {s.name for s in found.slices}  # every value occurs once


def test_queries_of_parts_that_are_too_small_are_counted(tmp_path: Path) -> None:
    """Of a column's parts, and of a column that only the second result has; none is lost without a word."""
    data = world(120, captions_per_image=3)
    kinds = ["cat"] * 70 + ["dog"] * 35 + ["owl"] * 9 + ["elk"] * 6
    plain = dataclasses.replace(data, rows=pa.table({"kind": kinds}))
    more = dataclasses.replace(data, rows=pa.table({"kind": kinds, "odd": ["yes", "no"] * 60}))
    found = compare([measured(2.0, plain), measured(5.0, more)])
    counted = {(s.direction, s.name): (s.n_values, s.n_queries) for s in found.too_small}
    assert counted["image_to_text", "kind"] == (2, 15)
    assert counted["text_to_image", "kind"] == (2, 45)  # three captions of each
    for direction, n_queries in (("text_to_image", 360), ("image_to_text", 120)):
        for name in ("kind", "odd"):
            inside = [s.n_queries for s in found.slices if (s.direction, s.name) == (direction, name)]
            assert sum(inside) + counted.get((direction, name), (0, 0))[1] == n_queries
    for file, evaluation in zip("ab", found.evaluations, strict=True):
        evaluation.save(tmp_path / f"{file}.json")
    page = tmp_path / "c.html"
    files = [str(tmp_path / f"{file}.json") for file in "ab"]
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["compare", *files, "--report", str(page)])
    said = "image → text, kind: queries in no part: 15 (values that fewer than 30 queries share: 2)."
    assert said in done.stdout
    assert said in page.read_text()
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["compare", *files, "--locale", "pt-BR"])
    assert "kind: consultas fora das partes: 15 (valores comuns a menos de 30 consultas: 2)." in done.stdout
    done = CliRunner().invoke(app, ["compare", *files, "--json"])
    assert {"direction": "image_to_text", "name": "kind", "n_values": 2, "n_queries": 15} in json.loads(done.stdout)[
        "too_small"
    ]


def test_contrasts_are_queries_that_one_finds_and_the_other_misses(three: Comparison) -> None:
    for contrast in three.contrasts[0, 2]:
        assert contrast.name == three.evaluations[0].query_names[contrast.direction][contrast.query]
        assert contrast.first_rank != contrast.second_rank
    first = three.contrasts[0, 2][0]
    assert first.first_rank < first.second_rank


def test_results_from_files_compare_as_those_in_memory(tmp_path: Path, three: Comparison) -> None:
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for evaluation, path in zip(three.evaluations, paths, strict=True):
        evaluation.save(path)
    again = compare([load_evaluation(path) for path in paths])
    assert json.dumps(again.to_dict()) == json.dumps(three.to_dict())


def test_the_terminal_shows_every_pair(three: Comparison) -> None:
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as captured:
        console.print(three)
    shown = captured.get()
    for pair in ("noise 1.0 - noise 1.01", "noise 1.0 - noise 1.6", "noise 1.01 - noise 1.6"):
        assert shown.count(pair) == 2
    assert "not sure" in shown
    assert "corrected for 3 comparisons" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda text: text.replace("luneta.evaluation/1", "luneta.evaluation/0", 1), "evaluate again to compare"),
        (lambda text: text[: len(text) // 2], "not readable JSON"),
        (lambda text: text.replace('"value": 0.', '"value": 0.9', 1), "was edited or damaged"),
        (lambda text: "", "not readable JSON"),
        (lambda text: "[]", "has schema None"),
    ],
)
def test_damaged_results_are_refused_with_the_reason(
    tmp_path: Path, three: Comparison, harm: Callable[[str], str], reason: str
) -> None:
    paths = [tmp_path / "good.json", tmp_path / "bad.json"]
    for evaluation, path in zip(three.evaluations[:2], paths, strict=True):
        evaluation.save(path)
    paths[1].write_text(harm(paths[1].read_text()))
    refused = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compare", *map(str, paths)])
    assert refused.exit_code == 2
    assert reason in refused.output
    assert "bad.json" in refused.output
    queries = tmp_path / "good.queries.parquet"
    queries.write_bytes(queries.read_bytes()[:-20])
    cut = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compare", str(paths[0]), str(paths[0])])
    assert cut.exit_code == 2
    assert "is not the file that was written with" in cut.output


def test_the_command_line(tmp_path: Path, three: Comparison) -> None:
    run = CliRunner(env={"COLUMNS": "120"})
    paths = [str(tmp_path / f"{i}.json") for i in range(3)]
    for evaluation, path in zip(three.evaluations, paths, strict=True):
        evaluation.save(path)
    found = run.invoke(app, ["compare", *paths, "--json"])
    assert found.exit_code == 0
    assert len(json.loads(found.stdout)["differences"]) == len(three.differences)
    assert "noise 1.0 - noise 1.6" in run.invoke(app, ["compare", *paths, "--metric", "mrr"]).stdout
    other = tmp_path / "other.json"
    measured(1.0, world(119, captions_per_image=3)).save(other)
    refused = run.invoke(app, ["compare", paths[0], str(other)])
    assert refused.exit_code == 2
    assert f"n_images: {paths[0]} (noise 1.0): 120; {other} (noise 1.0): 119" in refused.output
    assert run.invoke(app, ["compare", *paths, "--metric", "recall@2"]).exit_code == 2
    assert run.invoke(app, ["compare", paths[0], str(tmp_path / "missing.json")]).exit_code == 2


def test_one_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "results" / "one.json")])
    assert done.exit_code == 2
    for way_out in ("one.json is one result", "luneta evaluate --json", f"luneta leaderboard {tmp_path / 'results'}"):
        assert way_out in done.output


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_for_a_paper_is_in_one_language_and_no_p_is_zero(three: Comparison, form: str, tmp_path: Path) -> None:
    for number, evaluation in enumerate(three.evaluations):
        evaluation.save(tmp_path / f"{number}.json")
    files = [str(tmp_path / f"{number}.json") for number in range(3)]
    said = {}
    for locale in ("en", "pt-BR"):
        done = CliRunner().invoke(app, ["compare", *files, "--format", form, "--locale", locale])
        assert done.exit_code == 0, done.output
        said[locale] = done.stdout
    sign = {"latex": "$<$", "html": "&lt;"}.get(form, "<")
    for locale, point, word in (("en", ".", "encoder"), ("pt-BR", ",", "codificador")):
        assert word in said[locale]
        assert f"{sign}0{point}001" in said[locale]
    names = {str(evaluation.encoder["name"]) for evaluation in three.evaluations}
    bare = said["pt-BR"]
    for name in names:
        bare = bare.replace(name, "")
    assert not re.search(r"\d\.\d", bare)
    assert not words_of(bare) & {"direction", "encoder", "interval", "differences", "protocol", "on", "to", "by"}

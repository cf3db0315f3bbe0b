"""Folders of results, tables in every format, and files for other tools."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from typer.testing import CliRunner

from luneta.auditing.tables import read_tables
from luneta.cli import app
from luneta.comparison import COMPARED
from luneta.embedding import embed
from luneta.errors import ConfigError
from luneta.evaluation import evaluate, evaluate_embeddings
from luneta.exports import export_mteb, export_trec
from luneta.grids import FORMATS, Grid
from luneta.leaderboards import leaderboard
from luneta.metrics import METRICS
from luneta.results import load_evaluation
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results, with one that was edited and files of others among them."""
    folder = tmp_path_factory.mktemp("measured")
    for n in (60, 90):
        for noise in (1.6, 1.0, 1.02):
            evaluation = evaluate(ConceptEncoder(noise=noise, name=f"noise {noise}"), world(n), cache=False)
            evaluation.save(folder / f"{n}" / f"{noise}.json")
    (folder / "other.json").write_text('{"schema": "somebody.else/1"}')
    (folder / "list.json").write_text("[1]")
    broken = folder / "60" / "edited.json"
    broken.write_text((folder / "60" / "1.6.json").read_text().replace('"value": 0.', '"value": 0.9', 1))
    return folder


@pytest.fixture
def results(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "results"))


def test_every_protocol_is_ranked_by_itself(results: Path) -> None:
    found = leaderboard(results)
    assert [s.evaluations[0].dataset["n_texts"] for s in found.standings] == [90, 60]
    for standing in found.standings:
        values = [e.metrics["text_to_image"]["recall@1"].value for e in standing.evaluations]
        assert values == sorted(values, reverse=True)
        assert len({e.protocol["hash"] for e in standing.evaluations}) == 1
        assert standing.evaluations[-1].encoder["name"] == "noise 1.6"
        assert standing.like_the_best == [False, True, False]
    assert list(found.refused) == ["60/edited.json"]
    assert "edited" in found.refused["60/edited.json"]


def test_what_is_damaged_is_named_and_what_is_others_is_not(results: Path) -> None:
    whole = (results / "60" / "1.6.json").read_text()
    (results / "60" / "cut.json").write_text(whole[: len(whole) // 2])
    (results / "60" / "old.json").write_text(whole.replace("luneta.evaluation/1", "luneta.evaluation/0", 1))
    (results / "60" / "moved.json").write_text(whole.replace("1.6.queries.parquet", "gone.queries.parquet", 1))
    (results / "notes.json").write_text("{ no JSON")
    (results / "folder.json").mkdir()
    refused = leaderboard(results).refused
    assert {name: reason for name, reason in refused.items() if "edited.json" not in name} == {
        "60/cut.json": refused["60/cut.json"], "60/old.json": refused["60/old.json"],
        "60/moved.json": refused["60/moved.json"], "folder.json": refused["folder.json"],
    }  # fmt: skip
    for name, said in (("cut", "cut short"), ("old", "luneta.evaluation/0"), ("moved", "seal does not fit")):
        assert said in refused[f"60/{name}.json"]


def test_bad_requests(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no result"):
        leaderboard(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="cannot sort by"):
        leaderboard(results, metric="recall@2")
    with pytest.raises(ConfigError, match="direction"):
        leaderboard(results, direction="sideways")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Did you mean markdown"):
        leaderboard(results).grids()[0].write("markdwn")


def test_the_command_line(results: Path) -> None:
    run = CliRunner(env={"COLUMNS": "160"})
    shown = run.invoke(app, ["leaderboard", str(results)])
    assert shown.exit_code == 0
    assert "left out: 60/edited.json" in shown.stdout
    assert shown.stdout.count("noise 1.02") == 4
    assert "\\toprule" in run.invoke(app, ["leaderboard", str(results), "--format", "latex"]).stdout
    assert run.invoke(app, ["leaderboard", str(results), "--format", "word"]).exit_code == 2


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_the_terminal_s_tables_fit_80_columns(results: Path, locale: str) -> None:
    """Names of columns, values and their intervals stay whole; the names of an encoder and its file are folded."""
    long = "google/siglip2-so400m-patch14-384-of-somebody"
    evaluation = evaluate(ConceptEncoder(noise=3.0, name=long), world(1200), cache=False)
    evaluation.save(results / "long.json")
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["leaderboard", str(results), "--locale", locale])
    assert done.exit_code == 0, done.output
    assert "…" not in done.stdout
    tables = done.stdout.partition("60/edited.json")[0]
    assert max(map(len, tables.splitlines())) <= 80
    words = tables.split()
    assert [words.count(metric) for metric in COMPARED] == [6] * len(COMPARED)
    for direction in DIRECTIONS:
        found = evaluation.metrics[direction]["recall@10"]
        for shown in (f"{found.value:.3f}", f"{found.low:.3f}–{found.high:.3f}"):
            assert (shown if locale == "en" else shown.replace(".", ",")) in words
    for part in ("google/siglip2-", "long.json"):
        assert part in words


def test_every_result_has_its_file_and_copies_are_left_out_and_named(results: Path, tmp_path: Path) -> None:
    """A copy, and the same encoder measured once more; the same numbers of another encoder stay."""
    (results / "60" / "below").mkdir()
    for name in ("1.6.json", "1.6.queries.parquet"):
        shutil.copy(results / "60" / name, results / "60" / "below" / name)
    again = replace(load_evaluation(results / "90" / "1.0.json"), created_at="later", cost={"wall_s": 9.0})
    again.save(results / "a_rerun.json")
    replace(again, encoder={**again.encoder, "name": "another", "fingerprint": "of another"}).save(results / "b.json")
    found = leaderboard(results)
    assert found.copies == {"60/below/1.6.json": "60/1.6.json", "90/1.0.json": "a_rerun.json"}
    for standing in found.standings:
        for file, evaluation in zip(standing.files, standing.evaluations, strict=True):
            assert load_evaluation(results / file).metrics == evaluation.metrics
            assert load_evaluation(results / file).encoder == evaluation.encoder
    assert sorted(file for s in found.standings for file in s.files) == [
        "60/1.0.json", "60/1.02.json", "60/1.6.json", "90/1.02.json", "90/1.6.json", "a_rerun.json", "b.json",
    ]  # fmt: skip
    run = CliRunner(env={"COLUMNS": "160"})
    shown = run.invoke(app, ["leaderboard", str(results)]).stdout
    assert "left out: 90/1.0.json: the same result as a_rerun.json" in shown
    shown = run.invoke(app, ["leaderboard", str(results), "--locale", "pt-BR", "--report", str(tmp_path / "b.html")])
    assert "deixado de fora: 60/below/1.6.json: o mesmo resultado de 60/1.6.json" in shown.stdout
    assert "60/edited.json foi editado ou danificado depois de escrito" in shown.stdout
    page = (tmp_path / "b.html").read_text()
    assert "o mesmo resultado de 60/1.6.json" in page
    assert page.count("<small>a_rerun.json</small>") == 2
    table = list(csv.reader(io.StringIO(found.grids()[0].write("csv"))))
    assert {row[2] for row in table[1:-1]} == set(found.standings[0].files)


AWKWARD = Grid(
    title="A & B", header=("name_1", "recall@1", "n"),
    rows=(("50 % | <b>x</b>", "0.500", "1,000"), ("$a_b$", "0.250", "2")), notes=("A note.",),
)  # fmt: skip


@pytest.mark.parametrize("form", [f for f in FORMATS if f != "csv"])
def test_formats_read_back_as_they_were_written(form: str, tmp_path: Path) -> None:
    """By the reader of published tables, which knows all of these formats."""
    ending = {"markdown": "md", "latex": "tex", "html": "html"}[form]
    (tmp_path / f"t.{ending}").write_text(AWKWARD.write(form))
    (table,) = read_tables(tmp_path / f"t.{ending}")
    assert table.header == AWKWARD.header
    assert [row[1:] for row in table.rows] == [row[1:] for row in AWKWARD.rows]


def test_csv_reads_back() -> None:
    assert list(csv.reader(io.StringIO(AWKWARD.write("csv")))) == [list(AWKWARD.header), *map(list, AWKWARD.rows)]


def test_trec_files_give_the_same_numbers_to_trec_eval(tmp_path: Path) -> None:
    embeddings = embed(ConceptEncoder(noise=1.5), world(70, captions_per_image=2, equal_captions=[[3, 4]]))
    evaluation = evaluate_embeddings(embeddings)
    files = {path.name: path for path in export_trec(embeddings, tmp_path, depth=70)}
    for direction in ("text_to_image", "image_to_text"):
        qrels: dict[str, dict[str, int]] = {}
        run: dict[str, dict[str, float]] = {}
        for line in files[f"{direction}.qrels"].read_text().splitlines():
            query, _, item, relevance = line.split()
            qrels.setdefault(query, {})[item] = int(relevance)
        for line in files[f"{direction}.run"].read_text().splitlines():
            query, _, item, rank, score, tag = line.split()
            run.setdefault(query, {})[item] = float(score)
            assert int(rank) == len(run[query])
            assert tag == "concepts"
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {"success.1,5,10", "ndcg_cut.10"}).evaluate(run)
        order = sorted(theirs, key=lambda query: int(query[1:]))
        for metric, name in (("recall@1", "success_1"), ("recall@10", "success_10"), ("ndcg@10", "ndcg_cut_10")):
            ours = METRICS[metric](evaluation.rankings[direction])  # type: ignore[index]
            np.testing.assert_allclose(ours, [theirs[q][name] for q in order], atol=1e-9)


def test_trec_needs_a_depth(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="depth"):
        export_trec(embed(ConceptEncoder(), world(3)), tmp_path, depth=0)


def test_mteb_json(tmp_path: Path) -> None:
    evaluation = evaluate(ConceptEncoder(noise=1.0), world(40))
    for path, direction in zip(export_mteb(evaluation, tmp_path / "mteb"), DIRECTIONS, strict=True):
        assert path == tmp_path / "mteb" / f"{direction}.json"
        written = json.loads(path.read_text())
        assert written["task_name"] == f"world ({direction})"
        (scores,) = written["scores"]["all"]
        assert scores["main_score"] == scores["ndcg_at_10"] == evaluation.metrics[direction]["ndcg@10"].value
        assert scores["hit_rate_at_1"] == evaluation.metrics[direction]["recall@1"].value
        assert not any(name.startswith("recall") for name in scores)


def test_evaluate_writes_what_other_tools_read(tmp_path: Path) -> None:
    """One encoder into the folders themselves, several into one below each; the numbers are those of the result."""
    run, folders = CliRunner(), ["--trec", str(tmp_path / "trec"), "--mteb", str(tmp_path / "mteb")]
    cenas = ["evaluate", "cenas", "--limit", "30"]
    done = run.invoke(app, [*cenas, *folders, "--json", str(tmp_path / "r.json"), "--duplicates", "near"])
    assert done.exit_code == 0, done.output
    found = load_evaluation(tmp_path / "r.json")
    for direction, n in (("text_to_image", 150), ("image_to_text", 30)):
        lines = (tmp_path / "trec" / f"{direction}.run").read_text().splitlines()
        assert len(lines) == n * min(100, 180 - n)
        relevant: dict[str, set[str]] = {}
        for line in (tmp_path / "trec" / f"{direction}.qrels").read_text().splitlines():
            query, _, item, _ = line.split()
            relevant.setdefault(query, set()).add(item)
        first = [line.split() for line in lines if line.split()[3] == "1"]
        hits = np.mean([row[2] in relevant[row[0]] for row in first])
        assert hits == pytest.approx(found.metrics[direction]["recall@1"].value)  # type: ignore[index]
        scores = json.loads((tmp_path / "mteb" / f"{direction}.json").read_text())["scores"]["test"]
        assert scores[0]["hit_rate_at_1"] == found.metrics[direction]["recall@1"].value  # type: ignore[index]
        assert str(tmp_path / "trec" / f"{direction}.qrels") in done.stdout
    several = ["-e", "luneta-mini", "-e", "luneta-mini-siglip", *folders]
    assert run.invoke(app, [*cenas, *several]).exit_code == 0
    assert {path.parent.name for path in (tmp_path / "trec").glob("*/*.run")} == {"luneta-mini", "luneta-mini-siglip"}
    refused = run.invoke(app, [*cenas, "--language", "en,pt-BR", *folders])
    assert (refused.exit_code, "one language" in refused.output) == (2, True)
    (tmp_path / "file").write_text("")
    assert run.invoke(app, [*cenas, "--trec", str(tmp_path / "file")]).exit_code == 2

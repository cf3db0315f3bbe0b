"""What was spent: a table whose sum leaves nothing out, and quality against cost."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.cost import Prices
from luneta.ledger import Entry, entered, read_ledger
from luneta.report.costs import costs_grid, frontiers, write_costs

LEDGER = Path("runs/ledger.jsonl")


def entry(status: str = "finished", kind: str = "finetune", **facts: Any) -> Entry:
    whole = {"encoder": "luneta-mini", "data": "photos", "wall_s": 60.0, "usd": 1.0, "peak_mib": 100.0, **facts}
    return Entry(uuid.uuid4().hex, kind, status, "2026-11-22T10:00:00+00:00", whole)


RUNS = [
    entry(recall=0.5, recall_untrained=0.2, protocol="p", measured_on="photos", method="full"),
    entry("failed", usd=4.0),
    entry("killed", usd=None, wall_s=None),
    entry(kind="evaluate", encoder="/tuned/<b>", usd=0.1, recall=0.3, protocol="p", measured_on="photos", brl=2.0),
    entry(recall=0.4, protocol="p", method="lora", usd=2.0),
    entry(recall=0.9, protocol="other", method="lora", usd=2.0),
]


def test_the_grid_sums_failed_ones_too() -> None:
    grid = costs_grid(RUNS, ledger=LEDGER, brl_per_usd=5.0)
    assert [row[3] for row in grid.rows[:-1]] == ["finished", "failed", "killed", "finished", "finished", "finished"]
    assert grid.rows[2][4:] == ("–", "100", "–", "–", "–")
    assert grid.rows[3][2] == "<b> · photos"
    assert grid.rows[-1] == ("all 6 runs", "", "", "", "5.0", "", "–", "9.100", f"{5 * 9 + 2:.3f}")
    assert len(grid.notes) == 4
    assert "those of the process so far" in grid.notes[2]
    assert "1 runs have not said that they ended" in grid.notes[0]
    assert costs_grid(RUNS, ledger=LEDGER, locale="pt-BR").rows[-1][7] == "9,100"


def test_a_sum_of_reais_says_what_it_leaves_out() -> None:
    said = "4 runs have no exchange rate, and the sum of BRL leaves them out"
    some = costs_grid(RUNS, ledger=LEDGER)
    assert some.rows[-1][-2:] == ("9.100", "2.000")
    assert sum(said in note for note in some.notes) == 1
    assert not any("exchange rate" in note for note in costs_grid(RUNS, ledger=LEDGER, brl_per_usd=5.0).notes)
    assert not any("exchange rate" in note for note in costs_grid(RUNS[:2], ledger=LEDGER).notes)  # there is no sum


def test_the_frontier_holds_what_nothing_cheaper_equals() -> None:
    (found,) = frontiers(RUNS)
    assert (found.protocol, found.data) == ("p", "photos")
    assert [(choice.name, choice.usd, choice.recall, choice.best) for choice in found.choices] == [
        ("luneta-mini, as it is", 0.0, 0.2, True), ("<b>", 0.1, 0.3, True), ("luneta-mini · full", 1.0, 0.5, True),
        ("luneta-mini · lora", 2.0, 0.4, False),
    ]  # fmt: skip


def test_vectors_of_the_cache_are_no_price() -> None:
    def evaluated(encoder: str, usd: float, recall: float, **facts: Any) -> Entry:
        return entry(kind="evaluate", encoder=encoder, usd=usd, recall=recall, protocol="p", **facts)

    runs = [
        evaluated("big", 0.5, 0.8, usd_per_hour=2.5, price_from="table of 2026-11"), evaluated("small", 0.05, 0.6),
        evaluated("big", 0.0004, 0.8),  # of a ledger that does not say
        evaluated("cached", 0.0001, 0.9, n_images_reused=120), evaluated("/a/model", 0.1, 0.5),
        evaluated("/b/model", 0.2, 0.4, n_images_reused=0),
    ]  # fmt: skip
    (found,) = frontiers(runs)
    assert [(choice.name, choice.usd, choice.best) for choice in found.choices] == [
        ("small", 0.05, True), ("model", 0.1, False), ("model", 0.2, False), ("big", 0.5, True),
    ]  # fmt: skip


def test_the_page_says_where_prices_are_from(tmp_path: Path) -> None:
    runs = [
        entry(recall=0.5, protocol="p", method="full", **Prices().of(3600, "NVIDIA H100")),
        entry(recall=0.6, protocol="p", method="lora", **Prices(7.0).of(3600, "NVIDIA H100")),
    ]
    page = write_costs(tmp_path / "costs.html", runs, ledger=LEDGER).read_text()
    assert "2.50 (rough, table of 2026-11)" in page
    assert "7.00 (as given)" in page
    assert "2,50 (aproximado, tabela de 2026-11)" in write_costs(
        tmp_path / "custos.html", runs, ledger=LEDGER, locale="pt-BR"
    ).read_text()  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_the_page(tmp_path: Path, locale: str) -> None:
    page = write_costs(tmp_path / "costs.html", RUNS, ledger=LEDGER, locale=locale).read_text()
    assert page.count("<svg") >= 1
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert ("What was spent" if locale == "en" else "O que se gastou") in page
    assert ("failed" if locale == "en" else "falhou") in page
    drawn = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", page))
    assert re.search(r"\d[.]\d" if locale == "en" else r"\d,\d", drawn)
    assert not re.search(r"\d,\d" if locale == "en" else r"\d[.]\d", drawn)


@pytest.fixture
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_own_places")
def test_the_verb_and_evaluations_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner()
    evaluated = ["--quiet", "evaluate", "cenas", "--limit", "10"]
    monkeypatch.delenv("LUNETA_LEDGER")
    assert run.invoke(app, ["costs"]).exit_code == 2
    assert run.invoke(app, evaluated).exit_code == 0
    assert not (tmp_path / "runs").exists()  # nobody keeps a ledger here
    assert run.invoke(app, [*evaluated, "--trec", "runs"]).exit_code == 0
    assert not (tmp_path / "runs" / "ledger.jsonl").exists()  # nor is it one because a folder is named so
    (tmp_path / "runs" / "ledger.jsonl").touch()
    assert run.invoke(app, evaluated).exit_code == 0
    with pytest.raises(ValueError, match="x"), entered("finetune", {}, device="cpu", prices=Prices(1.0)):
        raise ValueError("x")
    done = run.invoke(app, ["costs", "--report", str(tmp_path / "costs.html"), "--brl-per-usd", "5"])
    assert done.exit_code == 0, done.output
    assert "all 2 runs" in done.output
    assert (tmp_path / "costs.html").is_file()
    assert run.invoke(app, ["costs", "--format", "csv"]).output.count("\n") == 4
    (first, second) = read_ledger()
    assert (first.kind, first.status, second.status) == ("evaluate", "finished", "failed")
    assert 0 <= first.facts["recall"] <= 1
    assert first.facts["n_images_reused"] == 10  # the first evaluation, which nobody wrote down, has kept them
    assert first.facts["encoder"] == "luneta-mini"
    assert json.loads((tmp_path / "runs" / "ledger.jsonl").read_text().splitlines()[0])["event"] == "start"


@pytest.mark.usefixtures("_own_places")
def test_dry_run_says_what_it_would_take_and_leaves_nothing(tmp_path: Path) -> None:
    command = ["--quiet", "finetune", "cenas", "--limit", "24", "--steps", "3", "--batch-size", "4", "--method", "head"]
    done = CliRunner().invoke(app, [*command, "--dry-run", "--usd-per-hour", "2"])
    assert done.exit_code == 0, done.output
    assert "luneta-mini: less than 10 seconds" in done.output
    assert "USD" in done.output
    assert read_ledger()[-1].kind == "predict"
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "--out" in refused.output


def test_it_says_where_it_looks_and_how_to_count_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And embeddings are counted as soon as there is a ledger."""
    monkeypatch.delenv("LUNETA_LEDGER")
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    run = CliRunner(env={"COLUMNS": "400"})
    done = run.invoke(app, ["costs"])
    assert done.exit_code == 2
    assert str(tmp_path / "runs" / "ledger.jsonl") in done.stderr
    assert "LUNETA_LEDGER" in done.stderr
    embed = ["embed", "cenas", "--limit", "5", "--out"]
    assert run.invoke(app, [*embed, "a.store"]).exit_code == 0
    assert not Path("runs").exists()
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "all.jsonl"))
    assert run.invoke(app, [*embed, "b.store"]).exit_code == 0
    (found,) = read_ledger(tmp_path / "all.jsonl")
    assert (found.kind, found.status, found.facts["n_images_computed"]) == ("embed", "finished", 5)
    done = run.invoke(app, ["costs", "--report", "costs.html"])
    said = f"From the ledger {tmp_path / 'all.jsonl'}. A training begins one"
    assert said in " ".join(done.stdout.split())
    assert said in Path("costs.html").read_text()
    assert "set LUNETA_LEDGER to one file" in Path("costs.html").read_text()

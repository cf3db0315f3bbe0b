"""The command line as a person uses it: real processes, real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

STAMPS = Path(__file__).parents[3] / "shared" / "data" / "stamps"
needs_stamps = pytest.mark.skipif(not STAMPS.is_dir(), reason=f"the stamps data set is not at {STAMPS}")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def luneta(cache: Path, tmp_path: Path):
    def run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"LUNETA_CACHE": str(cache), "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "luneta", *map(str, arguments)],
            capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=240,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


@needs_stamps
@pytest.mark.parametrize(("text", "language"), [("en", "en"), ("pt-BR", "pt-BR"), ("ja", "ja")])
def test_stamps_end_to_end(luneta, tmp_path: Path, text: str, language: str) -> None:
    done = luneta("evaluate", STAMPS, "--text", text, "--json", "result.json", "--report", "report.html")
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["schema"] == "luneta.evaluation/1"
    assert result["dataset"]["language"] == language
    assert result["dataset"]["n_images"] == 711 - len({row["row"] for row in result["skipped"]})
    for direction in ("text_to_image", "image_to_text"):
        metrics = result["metrics"][direction]
        recall = metrics["recall@10"]
        # luneta-mini has never seen such pictures: chance must lie beside the number, and the number near it
        assert 0 < recall["chance"] < 0.05
        assert recall["low"] <= recall["value"] <= recall["high"] <= 0.15
        assert metrics["mrr"]["value"] > 0
    assert pq.read_table(tmp_path / "queries.parquet").num_rows == (
        result["dataset"]["n_texts"] + result["dataset"]["n_images"]
    )
    assert "chance" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert f"{result['protocol']['hash'][:12]}" in page


@needs_stamps
def test_equal_captions_for_different_pictures_matter(luneta, tmp_path: Path) -> None:
    values = {}
    for rule in ("merge", "strict"):
        luneta("evaluate", STAMPS, "--text", "en", "--duplicates", rule, "--json", f"{rule}.json")
        result = json.loads((tmp_path / f"{rule}.json").read_text())
        values[rule] = result["metrics"]["text_to_image"]["recall@10"]["chance"]
        assert result["protocol"]["duplicates"] == rule
    assert values["merge"] > values["strict"]  # 711 pictures, 628 captions: more than one right answer


def test_two_encoders_one_report(luneta, tmp_path: Path) -> None:
    done = luneta(
        "evaluate", "cenas", "--limit", 60, "-e", "luneta-mini", "-e", "luneta-mini-siglip",
        "--json", "out/result.json", "--report", "out/report.html", "--locale", "pt-BR",
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "report.html",
        "result.luneta-mini-siglip.json",
        "result.luneta-mini-siglip.queries.parquet",
        "result.luneta-mini.json",
        "result.luneta-mini.queries.parquet",
    ]
    assert 'lang="pt-BR"' in (tmp_path / "out" / "report.html").read_text()
    assert "What to do next" in done.stdout


def test_embed_goes_on_where_it_was_and_only_adds(luneta) -> None:
    first = luneta("embed", "cenas", "--limit", 30, "--out", "store")
    again = luneta("embed", "cenas", "--limit", 30, "--out", "store")
    assert "30 images and 150 texts embedded" in first.stdout
    assert "0 images and 0 texts embedded, 30 and 150 were there already" in again.stdout


def test_profile(luneta, tmp_path: Path) -> None:
    done = luneta("profile", "cenas", "--limit", 40, "--report", "profile.html")
    assert "40" in done.stdout
    assert "<img" in (tmp_path / "profile.html").read_text()


def test_encoders(luneta) -> None:
    table = luneta("encoders").stdout
    for name in ("clip-b32", "siglip2-so400m", "luneta-mini-siglip", "google/siglip-base-patch16-256-multilingual"):
        assert name in table


def test_demo(luneta, tmp_path: Path) -> None:
    done = luneta("demo", "--out", "demo", "--limit", 40)
    assert f"Report: {tmp_path / 'demo' / 'report.html'}" in done.stdout
    records = json.loads((tmp_path / "demo" / "summary.json").read_text())
    keys = {"step", "encoder", "data", "language", "style", "direction", "metric", "value", "low", "high", "baseline"}
    assert all(keys | {"seconds"} <= set(record) for record in records)
    assert {(r["encoder"], r["language"], r["style"]) for r in records} == {
        (encoder, language, style)
        for encoder in ("luneta-mini", "luneta-mini-siglip")
        for language, style in (("en", "flat"), ("pt-BR", "flat"), ("en", "sketch"), ("en", "night"))
    }
    assert len(list((tmp_path / "demo" / "results").glob("*.json"))) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "cenas", "-e", "luneta-minni"), "luneta-mini"),
        (("evaluate", "cenas/skech"), "sketch"),
        (("evaluate", "cenas", "--split", "tset"), "test"),
        (("evaluate", "cenas", "--duplicates", "merged"), "merge"),
        (("evaluate", "no/such/folder"), "no/such/folder"),
        (("profile", "cenas", "--limit", 20, "--report", "x.html", "--locale", "fr"), "pt-BR"),
    ],
)
def test_mistakes_get_one_clear_message(luneta, arguments: tuple[object, ...], message: str) -> None:
    done = luneta(*arguments, status=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_examples(luneta) -> None:
    assert "evaluate" in luneta("--help").stdout
    for verb in ("evaluate", "embed", "profile", "demo", "encoders"):
        assert f"luneta {verb}" in luneta(verb, "--help").stdout

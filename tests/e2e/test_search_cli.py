"""Index, search and verify as people run them; and that a search loads neither torch nor transformers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.rerank.builtin import located
from pages import read

RUN = CliRunner()
DATA = ["cenas", "--split", "test", "--language", "en"]


def run(*arguments: object, status: int = 0) -> str:
    found = RUN.invoke(app, [str(argument) for argument in arguments])
    assert found.exit_code == status, found.output + repr(found.exception)
    return found.output


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "cenas.luneta"
    out = run("index", *DATA, "--limit", 60, "--out", folder, "--reranker", "luneta-mini", "--calibrate", "own")
    assert "60 pictures and 300 texts" in out
    assert "exact" in out
    assert "Nothing relevant below" in out
    return folder


def first_text(bundle: Path, number: int = 0) -> str:
    from luneta.bundles import Bundle

    return str(Bundle.open(bundle).items("text").column("_text")[number].as_py())


def test_search_in_both_languages(bundle: Path, tmp_path: Path) -> None:
    text = first_text(bundle)
    out = run("search", bundle, f'"{text}"', "--anyway", "--top", 3, "--json", tmp_path / "hits.json")
    hits = json.loads((tmp_path / "hits.json").read_text())
    assert [hit["rank"] for hit in hits["hits"]] == [1, 2, 3]
    assert all(str(hit["id"]) in out and hit["name"] in out for hit in hits["hits"])
    assert "There is more: --page 2" in out
    second = run("search", bundle, f'"{text}"', "--anyway", "--top", 3, "--page", 2, "--json", tmp_path / "more.json")
    assert "4." in second
    assert not {h["id"] for h in hits["hits"]} & {
        h["id"] for h in json.loads((tmp_path / "more.json").read_text())["hits"]
    }
    portuguese = run("search", bundle, f'"{text}"', "--anyway", "--locale", "pt-BR")
    assert "Respostas a:" in portuguese
    assert "pontuação" in portuguese


def test_a_reranker_is_put_in_without_what_lies_beside_it(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(located("luneta-mini"), tmp_path / "mine")
    for name in (".DS_Store", "a b.txt"):
        (tmp_path / "mine" / name).write_text("x")
    shutil.copytree(bundle, tmp_path / "b.luneta")
    before = json.loads((bundle / "bundle.json").read_text())
    assert "inside" in run("index", "--out", tmp_path / "b.luneta", "--reranker", tmp_path / "mine")
    after = json.loads((tmp_path / "b.luneta" / "bundle.json").read_text())
    assert (after["reranker"], after["files"]) == (before["reranker"], before["files"])
    run("verify", tmp_path / "b.luneta")


def test_nothing_relevant_and_looking_anyway(bundle: Path) -> None:
    out = run("search", bundle, "quarterly tax return")
    assert "Nothing relevant" in out
    assert "--anyway" in out
    assert "cenas/flat" not in out
    assert "Nada relevante" in run("search", bundle, "quarterly tax return", "--locale", "pt-BR")
    assert "cenas/flat" in run("search", bundle, "quarterly tax return", "--anyway").replace("\n", "")


def test_a_page_with_explanations(bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "hits.html"
    run("search", bundle, "a red boat", "--anyway", "--top", 2, "--rerank", "--report", page, "--explain")
    shown = read(page.read_text())
    assert len(shown.all("article", klass="example")) == 2
    pictures = shown.all("img")
    assert len(pictures) == 4  # each with its map
    assert all(picture.attributes["src"].startswith("data:image/jpeg;base64,") for picture in pictures)
    assert [word.text.split()[0] for word in shown.all("span", klass="word")] == ["a", "red", "boat"]
    assert "--report" in run("search", bundle, "a red boat", "--explain", status=2)


def test_it_says_what_is_wrong(bundle: Path, tmp_path: Path) -> None:
    assert "say what to look for" in run("search", bundle, status=2)
    assert "is no bundle" in run("search", tmp_path, "a boat", status=2)
    assert "cannot be read" in run("search", bundle, "--image", tmp_path / "none.png", status=2)
    (tmp_path / "no.png").write_text("<svg></svg>")
    assert "SVG" in run("search", bundle, "--image", tmp_path / "no.png", status=2)
    assert "placee" in run("search", bundle, "a boat", "--where", "placee = 'beach'", status=2)
    assert "is there already" in run("index", *DATA, "--limit", 60, "--out", bundle, status=2)
    assert "name the data" in run("index", "--out", bundle, status=2)
    assert "calibrate afterwards: luneta index --out" in run(
        "index", *DATA, "--out", tmp_path / "b", "--calibrate", "cenas", status=2
    )


def test_damage_is_named(bundle: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(bundle, tmp_path / "copy.luneta")
    assert "all as they were written" in run("verify", copy)
    victim = next(copy.glob("vectors-image-*.npy"))
    data = bytearray(victim.read_bytes())
    data[-5] ^= 255
    victim.write_bytes(bytes(data))
    out = run("verify", copy, status=1)
    assert victim.name in out
    assert "1 of" in out
    victim.unlink()
    assert victim.name in run("verify", copy, status=1)


def test_an_update_finds_its_data_again(tmp_path: Path) -> None:
    folder = tmp_path / "b.luneta"
    run("index", *DATA, "--limit", 8, "--out", folder, "--no-text-tower")
    assert "0 pictures and 0 texts are new" in run("index", "--out", folder, "--update")
    out = run("index", *DATA, "--limit", 9, "--out", folder, "--update", "--locale", "pt")
    assert "são novos" in out


PROBE = """
import sys
from luneta.cli import app
try:
    app(["search", sys.argv[1], "a red boat", "--anyway", "--where", "count_1 > 0", "--json", sys.argv[2]])
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {"torch", "transformers", "faiss", "onnx", "onnxscript", "matplotlib", "datasets"} & set(sys.modules)
print("loaded:", sorted(heavy))
"""


def test_a_search_loads_nothing_heavy(bundle: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(bundle), str(tmp_path / "hits.json")],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert len(json.loads((tmp_path / "hits.json").read_text())["hits"]) == 10

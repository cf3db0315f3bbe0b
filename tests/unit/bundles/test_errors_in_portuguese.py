"""What is wrong with a bundle, as whoever speaks Portuguese reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from luneta.bundles import IndexRecipe, build_bundle
from luneta.cli import app
from worlds import ConceptEncoder, words_of, world

ENGLISH = {"is", "the", "its", "not", "and", "make", "take", "from", "damaged", "missing", "when", "was", "no", "it"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "b.luneta"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNETA_CACHE", str(folder.parent / "cache"))
        build_bundle(ConceptEncoder(0.3), world(8), folder, recipe=IndexRecipe(kind="exact", text_tower=False))
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, "b.luneta")
    return tmp_path / "b.luneta"


def luneta(*arguments: str, status: int) -> Result:
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, [*arguments, "--locale", "pt-BR"])
    assert done.exit_code == status, done.output
    return done


def test_damaged_files(folder: Path) -> None:
    victims = [*sorted(folder.rglob("*.npy"))[:2], next(folder.rglob("items*"))]
    victims[0].unlink()
    victims[1].write_bytes(victims[1].read_bytes() + b"more")
    victims[2].write_bytes(bytes(reversed(victims[2].read_bytes())))
    said = luneta("verify", "b.luneta", status=1)
    lines = {line.partition(";")[0] for line in said.stderr.splitlines()}
    names = [str(victim.relative_to(folder.parent)) for victim in victims]
    assert f"Erro de arquivo: falta {names[0]}, que bundle.json cita" in lines
    assert any(line.startswith(f"Erro de arquivo: {names[1]} tem ") and "mas tinha " in line for line in lines)
    assert f"Erro de arquivo: {names[2]} está danificado: o seu SHA-256 não é o que bundle.json cita" in lines
    assert said.stderr.count("faça o pacote de novo com `luneta index`") == 3
    assert not words_of(said.stderr.replace("luneta index", "")) & ENGLISH
    assert "danificados ou faltam" in said.stdout


def test_a_record_that_was_edited(folder: Path) -> None:
    record = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(record | {"created_at": "yesterday"}))
    said = luneta("verify", "b.luneta", status=2)
    assert "b.luneta/bundle.json está danificado: não é o que foi selado" in said.stderr
    (folder / "bundle.json").write_text(json.dumps(record | {"schema": "luneta.bundle/0"}))
    said = luneta("verify", "b.luneta", status=2)
    assert "b.luneta/bundle.json não é o registro de um pacote que esta versão leia" in said.stderr


def test_mistakes_of_whoever_searches_or_makes_one(folder: Path) -> None:
    assert "nada não é um pacote: não há essa pasta." in luneta("search", "nada", "um barco", status=2).stderr
    Path("vazia").mkdir()
    assert "vazia não é um pacote: falta bundle.json." in luneta("verify", "vazia", status=2).stderr
    said = luneta("search", "b.luneta", status=2)
    assert "diga o que procurar: um texto, uma imagem ou um item" in said.stderr
    said = luneta("index", "cenas", "--out", "b.luneta", status=2)
    assert "b.luneta já existe: atualize-o (--update), ou escolha outro lugar" in said.stderr

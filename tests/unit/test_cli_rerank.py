"""luneta rerank before it has done anything, and where it does nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from luneta import finetuning, load_evaluation, rerank
from luneta.cli import app
from luneta.grids import Grid
from luneta.rerank.builtin import folder_of

FEW = ("cenas", "--split", "val", "--limit", "8")


@pytest.fixture
def elip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a training leaves it: the re-ranker is a folder below."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    shutil.copytree(folder_of("luneta-mini"), tmp_path / "elip" / "reranker")
    return tmp_path / "elip" / "reranker"


def luneta(*arguments: str, status: int = 0) -> Result:
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, [*arguments])
    assert done.exit_code == status, done.output
    return done


@pytest.mark.usefixtures("elip")
@pytest.mark.parametrize("query", ["", " \n\t", "\0"])
def test_a_query_for_nothing_is_refused(query: str) -> None:
    refused = luneta("rerank", "apply", "elip/reranker", *FEW, "-q", "a boat", "-q", query, status=2)
    assert "ConfigError: a query is empty: say what to look for" in refused.stderr
    refused = luneta("rerank", "apply", "elip/reranker", *FEW, "-q", query, "--locale", "pt", status=2)
    assert "uma consulta está vazia: diga o que procurar" in refused.stderr


@pytest.mark.usefixtures("elip")
@pytest.mark.parametrize("verb", [("evaluate", "-e", "luneta-mini"), ("rerank", "evaluate", "elip/reranker")])
def test_a_folder_is_no_file_for_a_result(verb: tuple[str, ...]) -> None:
    for place in (".", "/"):
        data = FEW if verb[0] == "evaluate" else ()
        arguments = (verb[0], *data, *verb[1:]) if data else (*verb, *FEW)
        refused = luneta(*arguments, "--json", place, status=2)
        assert f"ArtifactError: cannot write {place}: it is a folder; name a file in it" in refused.stderr


@pytest.mark.usefixtures("elip")
@pytest.mark.parametrize("verb", [("evaluate",), ("apply", "-q", "a boat")])
def test_the_folder_of_a_training_leads_to_its_re_ranker(verb: tuple[str, ...]) -> None:
    refused = luneta("rerank", verb[0], "elip", *FEW, *verb[1:], status=2)
    assert "elip is no re-ranker, but its folder elip/reranker is one: give that" in refused.stderr
    refused = luneta("rerank", verb[0], "elip", *FEW, *verb[1:], "--locale", "pt", status=2)
    assert "elip não é um reordenador, mas a sua pasta elip/reranker é: indique essa" in refused.stderr
    assert "no such file: nowhere" in luneta("rerank", verb[0], "nowhere", *FEW, *verb[1:], status=2).stderr


def test_a_re_ranker_that_changes_nothing_says_so(elip: Path) -> None:
    asked = ("rerank", "apply", "elip/reranker", *FEW, "--language", "en", "-q", "a boat")
    record = json.loads((elip / "reranker.json").read_text())
    assert record["fusion"]["alpha"] > 0
    assert "changes nothing" not in luneta(*asked).stdout
    record["fusion"]["alpha"] = 0.0
    (elip / "reranker.json").write_text(json.dumps(record))
    assert "The re-ranker has alpha 0: it changes nothing" in luneta(*asked).stdout
    assert "O reordenador tem alfa 0: nada muda" in luneta(*asked, "--locale", "pt-BR").stdout


def test_how_far_it_looks_and_how_it_is_made_to_look_at_all(elip: Path) -> None:
    asked = ("rerank", "evaluate", "elip/reranker", "cenas", "--split", "val", "--limit", "12", "--language", "en")
    record = json.loads((elip / "reranker.json").read_text())
    said = luneta(*asked).stdout  # this one looks at all
    assert "Early exit" not in said
    assert "ms for each text" in said
    record["fusion"]["within"] = 0.2
    (elip / "reranker.json").write_text(json.dumps(record))
    for arguments, point in (((), "."), (("--locale", "pt-BR"), ",")):
        luneta(*asked, *arguments, "--json", "near.json")
        said = luneta(*asked, *arguments).stdout
        (looks,) = re.findall(r"(?:Early exit|Saída antecipada): (\d+[.,]\d) .* 12\.", said)
        assert point in looks
        assert 0 < float(looks.replace(",", ".")) < 12
        assert re.search("with 100 % of the scores kept|com 100 % das pontuações guardadas", said)  # by the first time
    whole = luneta(*asked, "--no-early-exit", "--json", "all.json").stdout
    assert "Early exit" not in whole
    near, everything = (load_evaluation(f"{name}.json").encoder["reranker"]["fusion"] for name in ("near", "all"))
    assert (near["within"], everything["within"]) == (0.2, None)


@pytest.mark.usefixtures("elip")
@pytest.mark.parametrize("verb", [("finetune",), ("rerank", "train")])
def test_what_it_would_take_may_be_asked_of_the_whole_command(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the report that it will write; now nothing is written."""
    predicted = SimpleNamespace(said=lambda locale: "an hour", grids=lambda locale: [Grid("", ("a",), ())])
    monkeypatch.setattr(finetuning, "predict_cost", lambda *_, **__: predicted)
    monkeypatch.setattr(rerank, "predict_elip", lambda *_, **__: predicted)
    said = luneta(*verb, *FEW, "--language", "en", "--out", "tuned", "--report", "tuned.html", "--dry-run")
    assert "luneta-mini: an hour" in said.stdout
    assert not Path("tuned").exists()
    assert not Path("tuned.html").exists()


@pytest.mark.usefixtures("elip")
def test_one_that_has_ended_takes_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded to say so."""
    monkeypatch.setattr(rerank, "predict_elip", None)
    asked = ("rerank", "train", *FEW, "--language", "en", "--out", "done", "--dry-run")
    Path("done").mkdir()
    for name in ("training.json", "elip.json"):
        Path("done", name).write_text("{}")
    assert luneta(*asked).stdout.startswith("done holds a finished training: of the same one nothing is left to do")
    assert luneta(*asked, "--locale", "pt-BR").stdout.startswith("done já tem um treino terminado")
    Path("done", "elip.json").unlink()  # begun, not ended
    with pytest.raises(TypeError, match="NoneType"):
        CliRunner().invoke(app, [*asked], catch_exceptions=False)

"""luneta finetune: several languages at once, what is to be kept, the page, Portuguese."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from luneta.cli import app, options
from luneta.finetuning import planning
from luneta.ledger import read_ledger


@pytest.fixture
def run(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "ledger.jsonl"))
    monkeypatch.setenv("COLUMNS", "140")
    shared = ["--encoder", str(tiny_checkpoint("clip")), "--device", "cpu", "--method", "head", "--steps", "3",
              "--out", str(tmp_path / "tuned")]  # fmt: skip

    def finetune(*arguments: str) -> tuple[int, str]:
        done = CliRunner(env={"COLUMNS": "140", **os.environ}).invoke(app, ["finetune", *shared, *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return finetune


def result(folder: Path) -> Any:
    return json.loads((folder / "tuned" / "finetuning.json").read_text())


def test_languages_are_learnt_together_and_proved_one_by_one(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Of the same pictures: none of the test part is learnt from in either language."""
    code, said = run("cenas", "--limit", "40", "--language", "pt-BR, en", "--keep", "cenas/sketch:val", "--no-near",
                     "--report", str(tmp_path / "page.html"))  # fmt: skip
    assert code == 0, said
    proofs = result(tmp_path)["proofs"]
    assert [proof["name"] for proof in proofs] == ["cenas test pt-BR", "cenas test en", "cenas/sketch val en"]
    assert [proof["learnt"] for proof in proofs] == [True, True, False]
    files = sorted((tmp_path / "tuned" / "results").glob("*.after.json"))
    of_tests = [json.loads(path.read_text())["dataset"] for path in files[:2]]
    assert {data["n_images"] for data in of_tests} == {8}
    assert [data["language"] for data in of_tests] == ["pt-BR", "en"]
    assert result(tmp_path)["n_train"] + result(tmp_path)["n_val"] <= 32
    assert "Before and after on cenas test pt-BR" in said
    assert "Before and after on cenas test pt-BR" in (tmp_path / "page.html").read_text()
    assert [entry.status for entry in read_ledger()] == ["finished"]


def test_a_split_as_the_proof(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--split", "train", "--test-split", "test", "--limit", "24", "--language", "en,pt-BR",
                     "--keep-language", "en", "--no-near")  # fmt: skip
    assert code == 0, said
    proofs = result(tmp_path)["proofs"]
    assert [(proof["name"], proof["learnt"]) for proof in proofs] == [
        ("cenas test en", True), ("cenas test pt-BR", True), ("cenas train,test en", False),
    ]  # fmt: skip
    assert set(result(tmp_path)["curve"][0]["recalls"]) == {"validation", "cenas train,test en"}


def test_in_portuguese(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--limit", "40", "--no-near", "--locale", "pt-BR")
    assert code == 0, said
    assert "Antes e depois em cenas test en" in said
    assert "diferença" in said
    assert "validação e prova incluídas" in " ".join(said.split())


def test_a_dry_run_leaves_nothing(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--limit", "40", "--no-near", "--dry-run", "--locale", "pt-BR", "--hard-negatives")
    assert code == 0, said
    assert "menos de 10 segundos" in said
    assert "a primeira previsão neste dispositivo" in said
    assert not (tmp_path / "tuned").exists()


def test_lengths_of_shortened_vectors(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--limit", "40", "--dims", "4;8")
    assert code == 2
    assert "expected whole numbers separated by commas" in said
    code, said = run("cenas", "--limit", "40", "--no-near", "--dims", "4, 8", "--validations", "1", "--test", "0")
    assert code == 0, said
    assert result(tmp_path)["recipe"]["dims"] == [4, 8]
    assert "nothing is proved" in said


def test_what_cannot_be_is_refused_before_any_data_are_read(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luneta.cli.options.open_data", None)
    monkeypatch.setattr("luneta.cli.checks.check_encoder", lambda name: None)
    code, said = run("cenas", "--encoder", "mine:Encoder")
    assert code == 2
    assert "mine:Encoder cannot be fine-tuned" in said
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "finetuning.json").write_text("{}")
    code, said = run("cenas")
    assert code == 2
    assert "is not empty and no training of ours" in said


def test_the_same_command_again_gives_the_same(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Also the page that was forgotten at first, with all its pictures."""
    asked = ("cenas", "--limit", "40", "--no-near", "--language", "en")
    page, later, portuguese = (tmp_path / f"{name}.html" for name in ("page", "later", "portuguese"))
    code, first = run(*asked, "--report", str(page))
    assert code == 0, first
    monkeypatch.setattr("luneta.finetuning.run.Plan", None)  # whatever is begun would fail
    code, again = run(*asked, "--report", str(later))
    assert code == 0, again
    assert f"done already: {tmp_path / 'tuned'} holds this very training" in caplog.text
    table = first[first.index("Before and after") : first.index("Wrote")]
    assert table in again
    assert later.read_bytes() == page.read_bytes()
    code, again = run(*asked, "--locale", "pt-BR", "--report", str(portuguese))
    assert code == 0, again
    assert "já está feito" in caplog.text
    assert 'lang="pt-BR"' in portuguese.read_text()
    assert len(read_ledger()) == 1
    code, other = run(*asked, "--steps", "4", "--locale", "pt-BR")
    assert code == 2
    said = "já tem um treino terminado de outros dados, outro codificador ou outra receita (recipe steps: 3 there, 4"
    assert said in unwrapped(other)
    assert "escolha outra pasta" in unwrapped(other)


def unwrapped(said: str) -> str:
    return " ".join(said.split())


def test_a_split_that_decides(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--split", "train", "--val-split", "val", "--test-split", "test", "--limit", "20",
                     "--no-near")  # fmt: skip
    assert code == 0, said
    assert (result(tmp_path)["n_train"], result(tmp_path)["n_val"]) == (20, 20)
    assert "Whether it has forgotten anything was not measured" in said


def test_of_a_run_that_has_ended_a_dry_run_says_so(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert run("cenas", "--limit", "30", "--no-near")[0] == 0
    code, said = run("cenas", "--limit", "30", "--no-near", "--dry-run")
    assert code == 0
    assert f"{tmp_path / 'tuned'} holds a finished training: of the same one nothing is left to do" in said
    assert "about" not in said


def test_a_dry_run_has_nothing_to_report(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--limit", "20", "--dry-run", "--report", str(tmp_path / "page.html"))
    assert code == 0, said
    assert not (tmp_path / "page.html").exists()


def test_nothing_is_begun_that_cannot_be_reported(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("cenas", "--limit", "40", "--report", str(tmp_path / "no" / "\0"))
    assert code == 2, said
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--rank", "4"], "--rank 4 is of low-rank additions, and --method head makes none; take --method lora"),
        (["--lock", "text"], "--lock text is the tower that --method lit leaves alone, and --method head locks none"),
        (["--epochs", "2"], "--epochs 2 and --steps 3 both say how long: give one of them"),
        (
            ["--test", "0.3", "--test-split", "test"],
            "--test 0.3 takes a share out of DATA, and --test-split test names",
        ),
        (
            ["--allowed-loss", "0.1"],
            "--allowed-loss 0.1 is for what is to be kept, and nothing is: name it with --keep",
        ),
        (["--refresh", "2"], "ask for them with --hard-negatives, or leave it out"),
        (["--checkpointing"], "--drop-patches, --text-negatives and checkpointing need towers that run"),
    ],
)
def test_what_has_no_effect_is_refused_in_the_words_of_the_command(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, asked: list[str], said: str
) -> None:
    monkeypatch.setattr("luneta.cli.options.open_data", None)
    code, output = run("cenas", *asked)
    assert code == 2
    assert said in output


def test_the_proof_is_in_the_precision_of_an_evaluation(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command line default, and the same number of the same pictures where the same is asked."""
    asked: list[str] = []
    opened = options.open_encoder
    monkeypatch.setattr(
        options, "open_encoder", lambda name, dtype, device: asked.append(dtype) or opened(name, dtype, device)
    )
    arguments = ["--split", "train", "--test-split", "test", "--limit", "20", "--no-near"]
    assert run("cenas", "--dry-run", *arguments)[0] == 0
    code, said = run("cenas", *arguments, "--dtype", "bfloat16")
    assert code == 0, said
    assert "computed in bfloat16" in said
    measure = ["evaluate", "cenas", "--split", "test", "--limit", "20", "--encoder", str(tmp_path / "tuned" / "model"),
               "--device", "cpu", "--json", str(tmp_path / "result.json")]  # fmt: skip
    assert CliRunner().invoke(app, [*measure, "--dtype", "bfloat16"]).exit_code == 0
    again, (proof,) = json.loads((tmp_path / "result.json").read_text()), result(tmp_path)["proofs"]
    assert again["protocol"]["hash"] == proof["protocol"]
    for direction, value in proof["recall@1"].items():
        assert again["metrics"][direction]["recall@1"]["value"] == value["after"]
    assert CliRunner().invoke(app, measure).exit_code == 0
    assert asked == ["auto", "bfloat16", "bfloat16", "auto"]


def test_of_a_run_that_was_begun_a_dry_run_tells_what_is_left(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    predict = planning.Plan.predict

    def spied(self: Any, prices: Any, begun: Any = None) -> Any:
        asked.append(begun)
        return predict(self, prices, begun)

    monkeypatch.setattr(planning.Plan, "predict", spied)
    assert run("cenas", "--limit", "30", "--no-near", "--dry-run")[0] == 0
    assert asked == [tmp_path / "tuned" / "training"]

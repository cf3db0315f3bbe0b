"""A command with --locale pt-BR: its lines, notices and stages are Portuguese, and afterwards nothing is changed."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from luneta import progress
from luneta.artifacts import write_text
from luneta.cli import app, options, speech
from luneta.cli.speech import NOTICES, STAGES
from luneta.doctor.findings import Check, Diagnosis, Verdict
from luneta.doctor.terminal import diagnosis_view
from luneta.grids import as_text
from luneta.wording import FirstFew
from worlds import words_of

SRC = Path(__file__).parents[2] / "src" / "luneta"


def calls(names: set[str]) -> Iterator[str]:
    """Whole first arguments of the calls of these names; the beginning of those with something in braces."""
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                options = [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else node.args
                for option in options[:2] if isinstance(node.args[0], ast.IfExp) else options[:1]:
                    if isinstance(option, ast.Constant):
                        yield option.value
                    elif isinstance(option, ast.JoinedStr) and isinstance(option.values[0], ast.Constant):
                        yield option.values[0].value.strip()


def test_every_notice_is_known_with_its_parameters_in_order() -> None:
    said = set(calls({"logger.info", "logger.warning"})) - {"%s"}
    assert len(said) >= 10
    assert said <= set(NOTICES), said - set(NOTICES)
    for english, portuguese in NOTICES.items():
        assert re.findall("%.", english) == re.findall("%.", portuguese)
        assert english != portuguese


def test_every_stage_is_known() -> None:
    said = set(calls({"track"}))
    assert len(said) >= 12
    assert said <= set(STAGES), said - set(STAGES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures with a broken row among them, opened from the folder above."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNETA_LEDGER", str(tmp_path / "runs.jsonl"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fotos").mkdir()
    rows = [{"file_name": "nada.png", "pt": "um barco", "en": "a boat"}]
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 255 - 20 * i, 99)).save(tmp_path / "fotos" / f"{i}.png")
        rows.append({"file_name": f"{i}.png", "pt": f"um balão de cor {i}", "en": f"a balloon of colour {i}"})
    (tmp_path / "fotos" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def run(*arguments: str) -> tuple[str, str]:
    """What a command prints, and its notices as the command line writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(before := logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        done = CliRunner(env={"COLUMNS": "120"}).invoke(app, list(arguments))
        assert handler.formatter is before
    finally:
        root.removeHandler(handler)
    assert done.exit_code == 0, done.output
    return done.stdout, stream.getvalue()


def test_profile(folder: Path) -> None:
    arguments = ["profile", "fotos", "--language", "pt", "--max-bad-share", "0.2", "--report", "p.html"]
    shown, notices = run(*arguments, "--locale", "pt-BR")
    assert "Escrito: p.html" in shown
    assert "coluna dos textos" in shown
    assert notices.splitlines() == [
        "fotos: imagens de 'file_name' (contém nomes de arquivos de imagem)",
        "fotos: legendas de 'pt' (tem o nome do idioma)",
        "fotos: 1 de 13 linhas deixadas de fora (nada.png)",
    ]
    assert 'lang="pt-BR"' in (folder / "p.html").read_text()
    shown, notices = run(*arguments)
    assert "Wrote p.html" in shown
    assert "fotos: 1 of 13 rows left out (nada.png)" in notices


def test_evaluate_and_compare(folder: Path) -> None:
    arguments = [
        "evaluate",
        "fotos",
        "--max-bad-share",
        "0.2",
        "--encoder",
        "worlds:ConceptEncoder",
        "--language",
        "pt",
    ]
    arguments += ["--json", "r.json", "--report", "r.html"]
    shown, notices = run(*arguments, "--locale", "pt-BR")
    assert "Escritos: r.json e r.queries.parquet" in shown
    assert "Escrito: r.html" in shown
    assert "acaso" in shown
    assert "legendas de" in notices
    english, _ = run(*arguments[:-2])
    assert "Wrote r.json and r.queries.parquet" in english
    shown, _ = run(*arguments[:-5], "pt,en", "--locale", "pt-BR")
    assert "sem acentos" in shown
    assert "distância" in shown
    shown, _ = run("compare", "r.json", "r.json", "--locale", "pt-BR", "--report", "c.html")
    assert "Escrito: c.html" in shown
    assert "diferença" in shown
    assert words_of(shown) & {"difference", "interval", "better", "sure", "queries", "chance"} == set()


def test_stages_are_worded_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_to_terminal", lambda stage, total: iter([shown.append(stage)]))
    with progress.worded(lambda stage: STAGES[stage]), progress.track("texts", 3):
        pass
    with progress.track("texts", 3):
        pass
    assert shown == ["textos", "texts"]
    seen: list[str] = []
    watched = progress.watch(lambda stage, done, total: seen.append(stage))
    with watched, progress.worded(lambda stage: "x"), progress.track("texts", 1):
        pass
    assert set(seen) == {"texts"}


@pytest.mark.parametrize(
    ("stage", "said"),
    [("reading captions.csv", "lendo captions.csv"), ("reading", "lendo"), ("texts", "textos"), ("new", "new")],
)
def test_stages_of_a_command(stage: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_to_terminal", lambda stage, total: iter([shown.append(stage)]))
    with speech.spoken():
        for locale in ("en", "pt-BR"):
            speech.speak(locale)
            with progress.track(stage, 3):
                pass
    with speech.spoken(), progress.track(stage, 3):  # the next command speaks English again
        pass
    assert shown == [stage, said, stage]


def ended(*arguments: str) -> str:
    """What a command that is stopped by a mistake says."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    assert done.exit_code == 2, done.output
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "english", "portuguese"),
    [
        (["evaluate", "nada"], "DatasetError: no such file or folder: nada",
         "Erro nos dados: arquivo ou pasta inexistente: nada"),
        (["profile", "fotos", "--text", "ptt"], "ConfigError: no column 'ptt'. Did you mean pt?",
         "Erro de configuração: não há a coluna 'ptt'. Você quis dizer pt?"),
        (["evaluate", "fotos", "-e", "luneta-minni"], "'luneta-minni'. Did you mean luneta-mini",
         "Erro de configuração: codificador desconhecido: 'luneta-minni'. Você quis dizer luneta-mini"),
        (["embed", "fotos", "--language", "pt", "--max-bad-share", "0.2", "--out", "fotos"],
         "ArtifactError: fotos is not an embedding store, and not empty",
         "Erro de arquivo: fotos não é um depósito de vetores, e não está vazia"),
        (["compare", "a.json", "b.json"], "ArtifactError: no such file: a.json",
         "Erro de arquivo: arquivo inexistente: a.json"),
        (["leaderboard", "fotos"], "ConfigError: fotos holds no result",
         "Erro de configuração: fotos não tem resultado"),
        (["finetune", "fotos"], "ConfigError: name a folder for the result",
         "Erro de configuração: indique uma pasta para o resultado"),
        (["costs"], "ArtifactError: there is no ledger at", "Erro de arquivo: não há livro-caixa em"),
        (["evaluate", "fotos", "--lmit", "3"], "No such option: --lmit", "Erro: Não há a opção --lmit"),
        (["evaluate", "fotos", "--limit", "0"], "--limit is 0, expected at least 1",
         "Erro: --limit é 0; esperava-se pelo menos 1"),
        (["finetune", "fotos", "--test", "2"], "--test is 2, expected at most 0.9",
         "Erro: --test é 2; esperava-se no máximo 0,9"),
        (["search", "b.luneta", "um barco", "--top", "dez"], "--top is dez, expected a whole number",
         "Erro: --top é dez; esperava-se um número inteiro"),
        (["rerank", "evaluate", "elip", "fotos", "--k", "5", "--k", "-1"], "--k is -1, expected at least 1",
         "Erro: --k é -1; esperava-se pelo menos 1"),
        (["finetune", "fotos", "--steps", "many"], "--steps is many, expected a whole number",
         "Erro: --steps é many; esperava-se um número inteiro"),
        (["finetune", "fotos", "--warmup", "x"], "--warmup is x, expected a number",
         "Erro: --warmup é x; esperava-se um número"),
        (["rerank", "evaluate"], "Missing argument 'folder'", "Erro: Falta o argumento 'folder'"),
        (["embed", "fotos"], "Missing option '--out'", "Erro: Falta a opção '--out'"),
        (["evalute", "fotos"], "No such command 'evalute'", "Erro: Não há o comando 'evalute'. Você quis dizer"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_the_usual_mistakes_of_every_command(arguments: list[str], english: str, portuguese: str) -> None:
    said = ended(*arguments, "--locale", "pt-BR")
    assert portuguese in said
    assert ended(*arguments, "--locale=pt") == said
    plain = ended(*arguments)
    assert english in plain
    assert re.search(r"\bErro\b", plain) is None


def test_a_language_that_nobody_speaks_is_refused_in_english() -> None:
    assert "ConfigError: pages are not written in 'fr'" in ended("costs", "--locale", "fr")


def test_a_mistake_shows_how_the_command_is_used() -> None:
    said = ended("embed", "fotos", "--locale", "pt-BR")
    assert "Uso: luneta embed [OPTIONS]" in said.replace("root ", "luneta ")
    assert "Ajuda: " in said


def test_embed(folder: Path) -> None:
    arguments = ["embed", "fotos", "--language", "pt", "--max-bad-share", "0.2", "--encoder", "worlds:ConceptEncoder"]
    whole = (folder / "fotos" / "3.png").read_bytes()
    (folder / "fotos" / "3.png").write_bytes(whole[: len(whole) // 2])
    shown, notices = run(*arguments, "--out", "a.store", "--locale", "pt-BR")
    assert "a.store: 11 imagens e 11 textos vetorizados, 0 e 0 já estavam lá ou se repetem, em " in shown
    assert re.search(r"em \d+,\d s", shown)
    assert "deixada de fora: fotos/3.png: não é imagem de formato conhecido" in shown
    assert "linhas deixadas de fora" in notices
    shown, _ = run(*arguments, "--out", "b.store")
    assert "b.store: 11 images and 11 texts embedded, 0 and 0 were there already or occur twice, in " in shown
    assert "skipped fotos/3.png: not a picture in a known format" in shown


def test_numbers_in_notices_have_a_decimal_comma() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root, ours = logging.getLogger(), logging.getLogger("luneta")
    root.addHandler(handler)
    try:
        with speech.spoken("pt-BR"):
            ours.warning(next(english for english in NOTICES if "(%.1f %%)" in english), "luneta-mini", 1, 570, 2.105)
            ours.warning(
                next(english for english in NOTICES if "%d (%s)" in english), "fotos", 5, 240, FirstFew("abcde")
            )
            ours.warning("going on from step %d of %d", 3, 40)
    finally:
        root.removeHandler(handler)
    assert "mais longas do que luneta-mini lê, cujo fim não é aprendido: 1 de 570 (2,1 %)" in stream.getvalue()
    assert "fotos: imagens deixadas de fora, pois não podem ser lidas: 5 de 240 (a, b, c e mais 2)" in stream.getvalue()
    assert "continuando do passo 3 de 40" in stream.getvalue()


def test_the_doctor_counts_in_words_that_agree() -> None:
    verdicts: list[Verdict] = ["pass", "pass", "pass", "warn", "warn", "not known"]
    found = Diagnosis("mini", "", "float32", None, [Check("unit length", verdict, "") for verdict in verdicts])
    assert as_text(diagnosis_view(found)).endswith("3 pass, 2 warn, 1 not known")
    assert as_text(diagnosis_view(found, "pt-BR")).endswith("passam: 3, avisos: 2, não se sabe: 1")


@pytest.mark.parametrize("finished", [True, False])
def test_a_command_that_is_stopped_says_what_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    """Only where something is."""
    write_text(folder / "of an earlier command", "")

    def open_data(*_: object, **__: object) -> None:
        if finished:
            write_text(folder / "file", "")
        raise KeyboardInterrupt

    monkeypatch.setattr(options, "open_data", open_data)
    for locale, kept, nothing in (
        ("en", "What was finished is kept", "before anything new was finished"),
        ("pt-BR", "O que terminou fica", "antes de terminar algo novo"),
    ):
        done = CliRunner().invoke(app, ["profile", "fotos", "--locale", locale])
        assert done.exit_code == 130
        assert (kept in done.stderr, nothing in done.stderr) == (finished, not finished)

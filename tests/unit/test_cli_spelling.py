"""Arguments of functions in messages, as whoever typed a command knows them."""

from __future__ import annotations

import logging
import re

import pytest
import typer.main
from test_error_messages import raised

from luneta.cli import app, speech, spelling
from luneta.cli.spelling import spelt

SAID = [
    ("take method='head', which changes least", "take --method head, which changes least"),
    ("or lock the texts (locked='text')", "or lock the texts (--lock text)"),
    ('count only the pairs with duplicates="strict".', "count only the pairs with --duplicates strict."),
    ("ask for them with hard_negatives=True, or", "ask for them with --hard-negatives, or"),
    ("captions=False (--no-captions) groups", "--no-captions groups"),
    ("--no-cache or cache=False does without", "--no-cache does without"),
    ("--no-cache ou cache=False dispensa", "--no-cache dispensa"),
    ("Take text= (several: text='a,b') or language=.", "Take --text (several: --text a,b) or --language."),
    ("Choose one with language= (or text=COLUMN).", "Choose one with --language (or --text COLUMN)."),
    ("or accept more with max_bad_share=\nnot text==1", "or accept more with --max-bad-share\nnot text==1"),
    ("Take a sample (limit=10000), or", "Take a sample (--limit 10000), or"),
    ("(max_bad_share=0.01). x", "(--max-bad-share 0.01). x"),
    ("going on with micro_batch=32 (the", "going on with --micro-batch 32 (the"),
    ("augment, drop_patches and text_negatives need", "augment, --drop-patches and --text-negatives need"),
    ("steps is 0, expected at least 1", "--steps is 0, expected at least 1"),
    ("warmup é 3; esperava-se de 0 a 1", "--warmup é 3; esperava-se de 0 a 1"),
    ("ConfigError: batch_size is 1, expected at least 2", "ConfigError: --batch-size is 1, expected at least 2"),
    ("unknown method 'loar'. Did you mean lora?", "unknown --method 'loar'. Did you mean lora?"),
    ("the text is long, and the method works", "the text is long, and the method works"),
    ("/ana/micro_batch/batch_size.json and out/micro_batch", "/ana/micro_batch/batch_size.json and out/micro_batch"),
    ("the column 'text_negatives' of batch_sizes", "the column 'text_negatives' of batch_sizes"),
    ("see https://example.org/?limit=3", "see https://example.org/?limit=3"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _learnt() -> None:
    spelling.learn(typer.main.get_command(app))


@pytest.mark.parametrize(("python", "command"), SAID)
def test_arguments_become_options_and_nothing_else_does(python: str, command: str) -> None:
    assert spelt(python) == command


def test_without_a_command_line_nothing_changes() -> None:
    spelling._spellings.set({})
    assert spelt(SAID[0][0]) == SAID[0][0]


def test_notices_are_spelt_too(caplog: pytest.LogCaptureFixture) -> None:
    record = logging.LogRecord("luneta", logging.WARNING, "", 0, "take method=%r, or more", ("head",), None)
    assert speech._Notice().format(record) == "take --method head, or more"


def test_one_name_is_one_option_in_all_commands() -> None:
    """So that it need not be known which command spoke."""
    found: dict[str, set[spelling.Spelling]] = {}
    for name, option in spelling._options(typer.main.get_command(app)):
        found.setdefault(name, set()).add(option)
    assert {name: options for name, options in found.items() if len(options) > 1} == {}


def test_no_error_advises_in_python() -> None:
    """Of what has an option."""
    names = "|".join(spelling._spellings.get())
    said = [spelt(message.replace("0", "7")) for message in raised()]
    assert len(said) > 200
    assert [message for message in said if re.search(rf"(?<![\w./?&-])({names})=(?![='\"])", message)] == []

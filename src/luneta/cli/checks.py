"""What can be known to fail before any work is done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path


def check_encoder(name: str) -> None:
    """Refuse a name that can be no encoder, without loading one.

    A repository on the hub and what a module holds are seen only when they are loaded.

    Raises:
        ConfigError: there is no encoder, folder or module of that name.
        EncoderError: the folder holds no checkpoint that can be loaded.
    """
    from luneta.encoders.checkpoints import open_folder
    from luneta.encoders.presets import find_preset
    from luneta.encoders.registry import load_encoder

    module, colon, _ = name.partition(":")
    if find_preset(name):
        return
    if Path(name).expanduser().is_dir():
        open_folder(name, Path(name).expanduser())
    elif colon and PathFinder.find_spec(module.split(".")[0], [str(Path.cwd()), *sys.path]):
        return
    elif colon or name.count("/") != 1 or name.startswith((".", "~", "/")):
        load_encoder(name)  # which cannot be, and says why


def check_outputs(results: Sequence[Path], report: Path | None, others: Sequence[Path] = ()) -> None:
    """Refuse places that cannot be written to, and one place for two files.

    Args:
        results: of evaluations, which are two files each.
        report: the page.
        others: files written beside the results.

    Raises:
        ArtifactError: a file cannot be written.
        ConfigError: the report would replace a result.
    """
    from luneta.artifacts import check_writable
    from luneta.errors import ConfigError
    from luneta.results import check_savable

    files = [*(file for path in results for file in check_savable(path)), *others]
    for file in others:
        check_writable(file)
    if report:
        check_writable(report)
        if report.resolve() in [file.resolve() for file in files]:
            raise ConfigError(f"{report} cannot be both the report and a result; give them different names")


def result_paths(path: Path, encoders: Sequence[str], languages: Sequence[str] = ()) -> list[Path]:
    """One path per encoder and language: PATH itself for one, PATH with their names put in for several.

    >>> [p.name for p in result_paths(Path("r.json"), ["luneta-mini", "owner/name@refs/pr/15"])]
    ['r.luneta-mini.json', 'r.name.json']
    >>> [p.name for p in result_paths(Path("r.json"), ["mine/name", "owner/name"])]
    ['r.1-name.json', 'r.2-name.json']
    >>> [p.name for p in result_paths(Path("r.json"), ["luneta-mini"], ["en", "pt-BR"])]
    ['r.luneta-mini.en.json', 'r.luneta-mini.pt-BR.json']
    """
    names = _file_names(encoders, languages)
    return [path] if len(names) == 1 else [path.with_name(f"{path.stem}.{name}{path.suffix}") for name in names]


def result_folders(folder: Path, encoders: Sequence[str], languages: Sequence[str] = ()) -> list[Path]:
    """One folder per encoder and language: FOLDER itself for one, one below it for each of several; all are writable.

    >>> [p.as_posix() for p in result_folders(Path("runs"), ["luneta-mini", "owner/name"])]
    ['runs/luneta-mini', 'runs/name']

    Raises:
        ArtifactError: a folder cannot be made or written to.
    """
    from luneta.artifacts import check_writable

    names = _file_names(encoders, languages)
    check_writable(folder / "file")
    return [folder] if len(names) == 1 else [folder / name for name in names]


def _file_names(encoders: Sequence[str], languages: Sequence[str]) -> list[str]:
    """The last part of each encoder's name, and a number before it where two are equal; each of several languages."""
    names = [Path(name.partition("@")[0]).expanduser().resolve().name.replace(":", "-") for name in encoders]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    return [f"{name}.{language}" for name in names for language in languages] if len(languages) > 1 else names

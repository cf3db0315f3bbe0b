"""Which column holds the pictures and which the captions: asked for, or found by name and type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from luneta.data.cells import flat_strings, image_kind, is_list, is_text, sample
from luneta.data.languages import UNCERTAIN, find_language, language_code
from luneta.errors import ConfigError, DatasetError, did_you_mean

_IMAGE_WORDS = (
    "image img jpg jpeg png webp picture photo imagem foto file_name filename image_file image_path img_path "
    "file_path filepath image_name img_name image_file_name file path arquivo caminho image_bytes img_bytes bytes"
)
_IMAGE_NAMES = tuple(_IMAGE_WORDS.split())
_TEXT_TIERS = (
    ("txt",),
    ("caption", "captions", "legenda", "legendas"),
    ("text", "texts", "sentence", "sentences", "raw", "texto", "textos", "frase", "frases"),
    ("description", "descriptions", "descricao", "descrição", "title", "titulo", "título", "alt", "alt_text", "prompt"),
)
LANGUAGE_COLUMNS = ("language", "lang", "locale", "idioma", "lingua", "língua")
"""Names of columns that say each row's language."""

_OTHER_WORDS = "id ids key url uri link license licence source split sha256 md5 hash category label class author status"
_NOT_CAPTIONS = frozenset(_OTHER_WORDS.split())
_WORDY = 2.0  # mean words of a cell, from which a nameless column passes for captions


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A place where captions can stand.

    Attributes:
        path: column name, or column and field joined by dots: "caption", "sentences.raw".
        base: the name without its language: "caption" of "caption_pt"; empty when the name is the language.
        language: the language in its name, if there is one.
    """

    path: str
    base: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Columns:
    """What was chosen, and why.

    Attributes:
        image: column of the pictures.
        texts: columns (or dotted fields) of the captions.
        language: of the captions, when a column's name or the caller says it.
        language_column: column whose value must be the language asked for, in data with one language a row.
        optional: an empty cell means "no caption in this language", not a damaged row.
    """

    image: str
    image_reason: str
    texts: tuple[str, ...]
    text_reason: str
    language: str | None = None
    language_column: str | None = None
    optional: bool = False

    def described(self) -> dict[str, str]:
        """For records and logs."""
        words = {"image": self.image, "image_chosen": self.image_reason}
        words |= {"text": ", ".join(self.texts), "text_chosen": self.text_reason}
        if self.language_column:
            words["language_column"] = self.language_column
        return words


def choose_columns(
    table: pa.Table, *, image: str | None, text: str | Sequence[str] | None, language: str | None
) -> Columns:
    """The columns to read, as asked for or found.

    Raises:
        ConfigError: a column or language that is not there, or several that could be meant.
        DatasetError: the pictures are web addresses.
    """
    image_column, image_reason = _choose_image(table, image)
    candidates = _text_columns(table, image_column)
    if text is not None:
        return _texts_asked_for(table, image_column, image_reason, text, language)
    column = None
    if language is not None:
        matching = _in_language(candidates, language)
        if matching:
            found, reason = _best_tier(matching, f"captions in {language!r}"), "named after the language"
            return Columns(image_column, image_reason, _paths(found), reason, language=found[0].language, optional=True)
        column = _language_column(table, language, candidates)
        if column is not None:
            candidates = [c for c in candidates if c.path != column]
    found, reason = _find_texts(table, candidates)
    named = found[0].language
    return Columns(
        image_column, image_reason, _paths(found), reason, language or named, column, optional=named is not None
    )


def _paths(columns: Iterable[TextColumn]) -> tuple[str, ...]:
    return tuple(column.path for column in columns)


# Pictures -----------------------------------------------------------------------------------------------------


def _choose_image(table: pa.Table, asked: str | None) -> tuple[str, str]:
    if asked is not None:
        if asked not in table.column_names:
            raise ConfigError(f"no column {asked!r} for the images. {did_you_mean(asked, table.column_names)}")
        kind = image_kind(table, asked)
        if kind == "url":
            raise _addresses(asked)
        if kind is None and not is_text(table.schema.field(asked).type):
            raise ConfigError(
                f"column {asked!r} holds {table.schema.field(asked).type}, not pictures: file names, encoded bytes or "
                "{bytes, path} structs are read, one picture a row"
            )
        return asked, "asked for"
    kinds = {name: image_kind(table, name) for name in table.column_names if not _says_caption(name)}
    for wanted, reason in (("bytes", "holds encoded pictures"), ("path", "holds names of picture files")):
        found = [name for name, kind in kinds.items() if kind == wanted]
        if len(found) > 1:
            ranks = {name: _rank(name, _IMAGE_NAMES) for name in found}
            best = min(ranks.values())
            nearest = [name for name in found if ranks[name] == best]
            if best == len(_IMAGE_NAMES) or len(nearest) > 1:
                raise ConfigError(f"several columns hold pictures: {', '.join(found)}. Choose one with image=.")
            found, reason = nearest, f"{reason}, by its name the likeliest of {len(found)} such columns"
        if found:
            return found[0], reason
    addresses = [name for name, kind in kinds.items() if kind == "url"]
    if addresses:
        raise _addresses(addresses[0])
    raise ConfigError(
        f"no column of picture files or bytes among: {', '.join(table.column_names)}. Name it with image=."
    )


def _addresses(column: str) -> DatasetError:
    return DatasetError(
        f"column {column!r} holds web addresses; Luneta downloads no pictures. Download them first (img2dataset does "
        "it well) and name the files."
    )


def _rank(name: str, known: Sequence[str]) -> int:
    return known.index(name.lower()) if name.lower() in known else len(known)


# Captions -----------------------------------------------------------------------------------------------------


def _text_columns(table: pa.Table, image: str) -> list[TextColumn]:
    """Every place where captions can stand, fields of structs included."""
    paths: list[str] = []

    def descend(path: str, dtype: pa.DataType) -> None:
        while is_list(dtype):
            dtype = dtype.value_type
        if is_text(dtype):
            paths.append(path)
        elif pt.is_struct(dtype):
            for i in range(dtype.num_fields):
                descend(f"{path}.{dtype.field(i).name}", dtype.field(i).type)

    for name in table.column_names:
        if name != image and (_says_caption(name) or image_kind(table, name) is None):
            descend(name, table.schema.field(name).type)
    columns = [_named(path) for path in paths]
    certain = {c.language for c in columns if c.language and c.language not in UNCERTAIN}
    return [
        c if c.language not in UNCERTAIN or len(certain) >= 2 else TextColumn(c.path, c.path, None) for c in columns
    ]


def _named(path: str) -> TextColumn:
    """Take the language out of a name: "pt-BR", "caption_pt", "en_caption", "captions.en", "pt.caption"."""
    known = {name for tier in _TEXT_TIERS for name in tier}
    pieces = path.split(".")
    for index, piece in enumerate(pieces):
        if code := language_code(piece):
            return TextColumn(path, ".".join(pieces[:index] + pieces[index + 1 :]), code)
        for match in re.finditer(r"[_-]", piece):
            head, tail = piece[: match.start()], piece[match.end() :]
            for base, other in ((head, tail), (tail, head)):
                if base.lower() in known and (code := language_code(other)):
                    return TextColumn(path, base, code)
    return TextColumn(path, path, None)


def _says_caption(name: str) -> bool:
    """The name is one of captions, so cells that end in ".png" make no file names of them."""
    return any(_leaf(name) in tier for tier in _TEXT_TIERS)


def _leaf(name: str) -> str:
    """The last field of a dotted name, without a number at its end: "caption" of "data.caption_3"."""
    return re.sub(r"[_\s-]?\d+$", "", name.rpartition(".")[2].lower())


def _best_tier(candidates: Sequence[TextColumn], what: str) -> tuple[TextColumn, ...]:
    """The candidates of the best known name, which are one column or numbered ones (caption_1, caption_2).

    Raises:
        ConfigError: several that could be meant.
    """
    if len(candidates) == 1:
        return tuple(candidates)
    for tier in (*_TEXT_TIERS, ("",)):
        found = [c for c in candidates if _leaf(c.base) in tier]
        if len(found) == 1 or (found and _numbered(found)):
            return tuple(found)
        if found:
            raise _ambiguous(found, what)
    raise _ambiguous(candidates, what)


def _numbered(columns: Sequence[TextColumn]) -> bool:
    """caption_1 ... caption_5, or caption beside them; not caption beside captions."""
    bare = {re.sub(r"[_\s-]?\d+$", "", c.path) for c in columns}
    return len(bare) == 1


def _ambiguous(columns: Iterable[TextColumn], what: str) -> ConfigError:
    names = ", ".join(_paths(columns))
    return ConfigError(f"several columns could hold {what}: {names}. Choose with text= (several: text='a,b').")


def _find_texts(table: pa.Table, candidates: Sequence[TextColumn]) -> tuple[tuple[TextColumn, ...], str]:
    plain = [c for c in candidates if c.language is None]
    for tier in _TEXT_TIERS:
        if found := [c for c in plain if _leaf(c.base) in tier]:
            return _best_tier(found, "the captions"), "by its name"
    spoken = [c for c in candidates if c.language is not None]
    languages = sorted({c.language for c in spoken if c.language})
    if len(languages) > 1:
        raise ConfigError(
            f"captions in several languages: {', '.join(languages)}. Choose one with language= (or text=COLUMN)."
        )
    if spoken:
        return _best_tier(spoken, "the captions"), "named after a language"
    rest = [c for c in plain if _leaf(c.base) not in _NOT_CAPTIONS and _leaf(c.base) not in LANGUAGE_COLUMNS]
    wordy = [c for c in rest if _mean_words(table, c.path) >= _WORDY]
    if len(wordy) == 1:
        return (wordy[0],), "the only column of running text"
    if len(rest) == 1:
        return (rest[0],), "the only column of text"
    if rest:
        raise _ambiguous(wordy or rest, "the captions")
    raise ConfigError(f"no column of captions among: {', '.join(table.column_names)}. Name it with text=.")


def _mean_words(table: pa.Table, path: str) -> float:
    values = sample(flat_strings(table, path)[0])
    return sum(len(value.split()) for value in values) / len(values) if values else 0.0


# Languages ----------------------------------------------------------------------------------------------------


def _in_language(candidates: Sequence[TextColumn], language: str) -> list[TextColumn]:
    spoken = [c for c in candidates if c.language is not None]
    codes = find_language(language, {c.language for c in spoken if c.language})
    if len(codes) > 1:
        raise ConfigError(f"language {language!r} could be {' or '.join(sorted(codes))}. Choose one.")
    return [c for c in spoken if c.language in codes]


def _language_column(table: pa.Table, language: str, candidates: Sequence[TextColumn]) -> str | None:
    """The column that says each row's language, or None when the data says nothing of languages.

    Raises:
        ConfigError: the data has languages, and this is not among them.
    """
    for name in map(str, table.column_names):
        if name.lower() in LANGUAGE_COLUMNS and is_text(table.schema.field(name).type):
            values = [value for value in pc.unique(table.column(name)).to_pylist() if value]
            codes = find_language(language, values)
            if not codes:
                raise ConfigError(f"no rows in language {language!r}. {did_you_mean(language, values)}")
            if len(codes) > 1:
                raise ConfigError(f"language {language!r} could be {' or '.join(sorted(codes))}. Choose one.")
            return name
    spoken = sorted({c.language for c in candidates if c.language})
    if spoken:
        raise ConfigError(f"no captions in language {language!r}. {did_you_mean(language, spoken)}")
    return None


def _texts_asked_for(
    table: pa.Table, image: str, image_reason: str, text: str | Sequence[str], language: str | None
) -> Columns:
    if isinstance(text, str):
        names = [text] if text in table.column_names else [name.strip() for name in text.split(",")]
    else:
        names = list(text)
    if not names or "" in names:
        raise ConfigError(f"text={text!r} names no column. {did_you_mean('', table.column_names)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"text={text!r} names a column twice; each caption would count twice")
    for name in names:
        flat_strings(table, name)  # raises when it is not there or holds no text
    by_path = {column.path: column for column in _text_columns(table, image)}
    columns = [by_path.get(name, TextColumn(name, name, None)) for name in names]
    spoken = {c.language for c in columns if c.language}
    if language is not None and spoken and not find_language(language, [code for code in spoken if code]):
        raise ConfigError(f"text={text!r} is in {', '.join(sorted(map(str, spoken)))}, but language={language!r}.")
    if language is not None and not spoken:
        _refuse_other_captions(names, language, list(by_path.values()))
    column = _language_column(table, language, []) if language is not None and not spoken else None
    named = next(iter(spoken)) if len(spoken) == 1 else None
    optional = len(names) > 1 or named is not None
    return Columns(image, image_reason, tuple(names), "asked for", named or language, column, optional)


def _refuse_other_captions(names: Sequence[str], language: str, columns: Sequence[TextColumn]) -> None:
    """Raises ConfigError where the language asked for has captions of its own, which are not those asked for."""
    codes = find_language(language, {c.language for c in columns if c.language})
    others = [c.path for c in columns if c.language in codes and c.path not in names]
    if others:
        raise ConfigError(
            f"text={','.join(names)!r} and language={language!r} ask for different captions: those in {language} are "
            f"in {', '.join(map(repr, others))}. Leave out text= to read these, or language= for {', '.join(names)}."
        )

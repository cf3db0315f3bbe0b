"""What is said of rows, pictures and columns, in Portuguese.

The data floor speaks English, for its reasons stand in logs, records and errors too. Tables and pages in another
language look them up here; a reason's own parameters stand in braces.
"""

from __future__ import annotations

import re
from functools import cache

from luneta.wording import patterns_of

_COLUMNS = {
    "asked for": "pedida",
    "by its name": "pelo nome",
    "by its name the likeliest of {n} such columns": "pelo nome a mais provável de {n} colunas assim",
    "named after the language": "tem o nome do idioma",
    "named after a language": "tem o nome de um idioma",
    "the only column of text": "a única coluna de texto",
    "the only column of running text": "a única coluna de texto corrido",
    "holds names of picture files": "contém nomes de arquivos de imagem",
    "holds encoded pictures": "contém imagens codificadas",
    "as it comes": "como vem",
    "the default; choose {choices} or {every} with split=": "a padrão; escolha {choices} ou {every} com split=",
}

_ROWS = {
    "{n} cells, the header has {expected}": "{n} células; o cabeçalho tem {expected}",
    "a {kind}, not an object": "{kind} em vez de um objeto",
    "broken Unicode (a lone surrogate)": "Unicode corrompido (um surrogate solto)",
    "line {number} is not UTF-8": "a linha {number} não está em UTF-8",
    "line {number} is not JSON ({why})": "a linha {number} não é JSON ({why})",
    "line {number} is a {kind}, not an object": "a linha {number} traz {kind} em vez de um objeto",
    "line {number} has broken Unicode (a lone surrogate)": (
        "a linha {number} tem Unicode corrompido (um surrogate solto)"
    ),
    "its .{ending} is not JSON": "seu .{ending} não é JSON",
    "its .{ending} is not UTF-8, or holds a lone surrogate": (
        "seu .{ending} não está em UTF-8, ou tem um surrogate solto"
    ),
    "{name} is too large for captions ({n} bytes)": "{name} é grande demais para legendas ({n} bytes)",
    "{name} is not UTF-8": "{name} não está em UTF-8",
    "{name} cannot be read ({why})": "{name} não pode ser lido ({why})",
    "no {name} beside it": "não há {name} ao lado",
    "no picture beside {name}": "não há imagem ao lado de {name}",
}

_CAPTIONS = {
    "no caption": "sem legenda",
    "no caption in {language}": "sem legenda em {language}",
    "empty caption": "legenda vazia",
    "caption with a NUL byte": "legenda com um byte NUL",
    "caption with broken Unicode (a lone surrogate, or bytes that are not UTF-8)": (
        "legenda com Unicode corrompido (um surrogate solto, ou bytes que não são UTF-8)"
    ),
    "caption of {n} characters, more than {limit}": "legenda de {n} caracteres, mais que {limit}",
    "a list of captions written as one string": "uma lista de legendas escrita como um só texto",
}

_FILES = {
    "no picture": "sem imagem",
    "no picture named": "nenhuma imagem indicada",
    "no picture in this row": "nenhuma imagem nesta linha",
    "no such file": "arquivo inexistente",
    "a file that the data set does not contain; if you have it, name its folder with image=": (
        "um arquivo que o conjunto de dados não contém; se você o tem, indique a pasta com image="
    ),
    "a web address: download the picture first": "um endereço da web: baixe a imagem antes",
    "unusable file name ({why})": "nome de arquivo inutilizável ({why})",
    "a folder, not a file": "uma pasta, não um arquivo",
    "not a regular file": "não é um arquivo comum",
    "empty file": "arquivo vazio",
    "file of {size} GiB, more than {limit} GiB, the limit": "arquivo de {size} GiB, acima do limite de {limit} GiB",
    "cannot be read ({why})": "não pode ser lida ({why})",
    "not enough memory to read it": "não há memória para lê-la",
    "changed or vanished while it was being embedded": "mudou ou sumiu enquanto era vetorizada",
}

_PICTURES = {
    "truncated file": "arquivo truncado",
    "damaged file ({why})": "arquivo danificado ({why})",
    "not enough memory to decode it": "não há memória para decodificá-la",
    "cannot turn {mode} into RGB": "não é possível converter {mode} em RGB",
    "more than {limit} million pixels, the limit": "mais de {limit} milhões de pixels, o limite",
    "{width} x {height} pixels, more than {limit} million, the limit": (
        "{width} x {height} pixels, acima do limite de {limit} milhões"
    ),
    "{width} x {height} pixels: too thin for a picture": "{width} x {height} pixels: fina demais para uma imagem",
    "too many pixels for Pillow's own limit, PIL.Image.MAX_IMAGE_PIXELS": (
        "pixels demais para o limite do próprio Pillow, PIL.Image.MAX_IMAGE_PIXELS"
    ),
    "HEIC is not supported: convert it to JPEG": "HEIC não é lido: converta para JPEG",
    "not a picture in a known format, or damaged from its first bytes on": (
        "não é imagem de formato conhecido, ou está danificada desde os primeiros bytes"
    ),
    "not a picture but an HTML page": "não é uma imagem, e sim uma página HTML",
    "not a picture but an SVG drawing: export it as PNG": "não é uma imagem, e sim um desenho SVG: exporte como PNG",
    "not a picture but XML: an SVG drawing must be exported as PNG": (
        "não é uma imagem, e sim XML: um desenho SVG precisa ser exportado como PNG"
    ),
    "not a picture but a PDF: export its pages as PNG": ("não é uma imagem, e sim um PDF: exporte as páginas como PNG"),
    "not a picture but PostScript: export it as PNG": "não é uma imagem, e sim PostScript: exporte como PNG",
    "not a picture but a Git LFS pointer: run git lfs pull": (
        "não é uma imagem, e sim um ponteiro do Git LFS: rode git lfs pull"
    ),
    "not a picture but a ZIP archive": "não é uma imagem, e sim um arquivo ZIP",
}

PORTUGUESE = _COLUMNS | _ROWS | _CAPTIONS | _FILES | _PICTURES
"""What is said in English -> the same in Portuguese, with the same parameters."""

_LEFT_OUT = ("caption left out: ", "legenda deixada de fora: ")
_NUMBERS = frozenset({"n", "number", "expected", "limit", "size", "width", "height"})
_KINDS = {"list": "uma lista", "str": "um texto", "int": "um número", "float": "um número", "NoneType": "um nulo",
          "bool": "verdadeiro ou falso", "dict": "um objeto"}  # fmt: skip
_SEPARATORS = ("; ", ", ")


def reason_in(reason: str, locale: str) -> str:
    """What the data floor says of a row, a picture or a column, in the language asked for as far as it is known.

    >>> reason_in("caption left out: empty caption; caption of 123,456 characters, more than 100,000", "pt-BR")
    'legenda deixada de fora: legenda vazia; legenda de 123.456 caracteres, mais que 100.000'
    >>> reason_in("holds encoded pictures, by its name the likeliest of 3 such columns", "pt-BR")
    'contém imagens codificadas, pelo nome a mais provável de 3 colunas assim'
    >>> reason_in("empty file", "en")
    'empty file'
    """
    if locale == "en":
        return reason
    return _translated(reason) or reason


def _translated(reason: str) -> str | None:
    if reason.startswith(_LEFT_OUT[0]):
        rest = _translated(reason.removeprefix(_LEFT_OUT[0]))
        return rest and _LEFT_OUT[1] + rest
    if single := _single(reason):
        return single
    for separator in _SEPARATORS:
        parts = [_single(part) for part in reason.split(separator)]
        if len(parts) > 1 and None not in parts:
            return separator.join(map(str, parts))
    return None


def _single(reason: str) -> str | None:
    """The reason of the most words in common, with its parameters filled in."""
    for pattern, portuguese in _patterns():
        if found := pattern.fullmatch(reason):
            return portuguese.format(**{name: _parameter(name, value) for name, value in found.groupdict().items()})
    return None


def _parameter(name: str, value: str) -> str:
    if name in _NUMBERS:
        return value.translate(str.maketrans(",.", ".,"))
    return _KINDS.get(value, value) if name == "kind" else value


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return patterns_of(PORTUGUESE)

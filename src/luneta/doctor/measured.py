"""What the doctor measured, in Brazilian Portuguese.

The checks speak English, for what they say stands in results and records too. Tables and pages in another language
look it up here; parameters stand in braces, and may themselves be something said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from luneta.wording import patterns_of

_ANSWERS = {
    "a {kind} for {n} texts, expected an array of float32": "{kind} para {n} textos; esperava-se um array de float32",
    "a {kind} for {n} pictures, expected an array of float32": (
        "{kind} para {n} imagens; esperava-se um array de float32"
    ),
    "an array of {dtype} for {n} texts, expected an array of float32": (
        "um array de {dtype} para {n} textos; esperava-se um array de float32"
    ),
    "an array of {dtype} for {n} pictures, expected an array of float32": (
        "um array de {dtype} para {n} imagens; esperava-se um array de float32"
    ),
    "shape {shape} for {n} texts, expected {expected}": "forma {shape} para {n} textos; esperava-se {expected}",
    "shape {shape} for {n} pictures, expected {expected}": "forma {shape} para {n} imagens; esperava-se {expected}",
    "shape {shape} for {n} images, expected {expected}": "forma {shape} para {n} imagens; esperava-se {expected}",
    "shape {shape} for {n} prepared images, expected {expected}": (
        "forma {shape} para {n} imagens preparadas; esperava-se {expected}"
    ),
    "{dtype} for texts": "{dtype} para os textos",
    "{dtype} for pictures": "{dtype} para as imagens",
    "{text}, {picture} for pictures": "{text}, {picture} para as imagens",
    "float32, {n} numbers each": "float32, {n} números cada",
    "{n} of {of} text vectors hold NaN or infinity, {m} of {off} picture vectors hold NaN or infinity": (
        "{n} de {of} vetores de textos têm NaN ou infinito, e {m} de {off} de imagens"
    ),
    "every number of every vector": "todos os números de todos os vetores",
    "lengths from {low} to {high}": "comprimentos de {low} a {high}",
    "{what}: 1 - cosine up to {value}": "{what}: 1 - cosseno até {value}",
    "{what}: 1 - cosine up to {value} for {kind}, where {rounding} is rounding": (
        "{what}: 1 - cosseno até {value} nos {kind}, onde {rounding} é arredondamento"
    ),
    "the same inputs again": "as mesmas entradas de novo",
    "alone and in a batch": "a sós e num lote",
    "prepared ahead and in one call": "preparadas antes e numa só chamada",
    "texts": "textos",
    "images": "vetores de imagens",
    "the model is in training mode, so that dropout is on": "o modelo está em modo de treino, com o dropout ligado",
    "vectors change by themselves": "os vetores mudam por si",
    "backwards in, backwards out": "ao contrário na entrada, ao contrário na saída",
    "given backwards, {n} text and {m} image vectors change places": (
        "com as entradas ao contrário, {n} vetores de textos e {m} de imagens trocam de lugar"
    ),
    "all texts get one vector": "todos os textos recebem um só vetor",
    "all images get one vector": "todas as imagens recebem um só vetor",
    "all texts and all images get one vector": "todos os textos e todas as imagens recebem um só vetor",
    "1 - cosine up to {texts} between texts, {images} between images": (
        "1 - cosseno até {texts} entre textos, {images} entre imagens"
    ),
    "encode_images is the only one": "encode_images é o único",
}

_TEXTS = {
    "the encoder does not show its tokens": "o codificador não mostra os seus tokens",
    "the encoder does not show what its text tower reads": "o codificador não mostra o que a sua torre de texto lê",
    "the encoder does not show where it reads a text's vector": (
        "o codificador não mostra onde lê o vetor de um texto"
    ),
    "a text beside a much longer one: 1 - cosine {value}": (
        "um texto ao lado de um muito mais longo: 1 - cosseno {value}"
    ),
    "{what}, where {rounding} is rounding: its padding changes with its neighbours and is read": (
        "{what}, onde {rounding} é arredondamento: o seu preenchimento muda com os vizinhos e é lido"
    ),
    "capitals change nothing": "maiúsculas não mudam nada",
    "capitals move a vector by up to {value}": "maiúsculas movem um vetor em até {value}",
    "whether they should, the encoder does not say": "se deviam mudar, o codificador não diz",
    "a short text is padded to {n} tokens, but {family} reads it at position {context} and was trained on nothing "
    "shorter": (
        "um texto curto é preenchido até {n} tokens, mas {family} o lê na posição {context} e não foi treinado com "
        "nada mais curto"
    ),
    "padding comes before the text, and was learnt after it": (
        "o preenchimento vem antes do texto, e foi aprendido depois dele"
    ),
    "texts are padded with token {n}, and {m} was learnt": (
        "os textos são preenchidos com o token {n}, e foi {m} o aprendido"
    ),
    "to {n} tokens whatever the batch": "até {n} tokens, seja qual for o lote",
    "a text may have {n} tokens, but positions beyond {m} were not trained": (
        "um texto pode ter {n} tokens, mas posições além de {m} não foram treinadas"
    ),
    "a text that is cut loses its end token": "um texto cortado perde o token final",
    "texts are cut at {n} tokens, and {m} were trained": "os textos são cortados em {n} tokens, e {m} foram treinados",
    "{n} tokens": "{n} tokens",
    "a text that is cut keeps its end token": "um texto cortado mantém o token final",
    "capitals and small letters give the same tokens": "maiúsculas e minúsculas dão os mesmos tokens",
    "capitals and small letters give the same tokens, but the family tells capitals apart": (
        "maiúsculas e minúsculas dão os mesmos tokens, mas a família distingue maiúsculas"
    ),
    "capitals give other tokens": "maiúsculas dão outros tokens",
    "capitals give other tokens, as in training": "maiúsculas dão outros tokens, como no treino",
    "capitals give other tokens but were not told apart in training": (
        "maiúsculas dão outros tokens, mas não se distinguiam no treino"
    ),
    "the text tower is run {how}, as {family} was trained": "a torre de texto roda {how}, como {family} foi treinado",
    "the text tower is run {how}, and {family} was trained {other}": (
        "a torre de texto roda {how}, e {family} foi treinado {other}"
    ),
    "with a mask": "com máscara",
    "without a mask": "sem máscara",
    "the vector is at none of the tokens; expected {place}": (
        "o vetor não está em nenhum dos tokens; esperava-se {place}"
    ),
    "a text's vector is read at {place}": "o vetor de um texto é lido em: {place}",
    "a text's vector is read at {place}, expected {other}": (
        "o vetor de um texto é lido em: {place}; esperava-se {other}"
    ),
    "the end token": "o token final",
    "the last position": "a última posição",
    "the first token": "o primeiro token",
    "positions {list}": "posições {list}",
}

_PICTURES = {
    "the encoder does not show what its image tower reads": "o codificador não mostra o que a sua torre de imagem lê",
    "black and white pictures reach the tower as one: its pixels say nothing": (
        "imagens pretas e brancas chegam iguais à torre: os seus pixels não dizem nada"
    ),
    "{how} ({width} of the width, {height} of the height of a 2:1 picture)": (
        "{how} ({width} da largura, {height} da altura de uma imagem 2:1)"
    ),
    "as the checkpoint records it, {what}": "segundo o registro do checkpoint, {what}",
    "in the training of {family}, {what}": "no treino de {family}, {what}",
    "{what} or {other}": "{what} ou {other}",
    "the centre is cut out, the edges are not seen": "o centro é recortado, as bordas não são vistas",
    "the whole picture is seen, squashed": "a imagem inteira é vista, achatada",
    "the whole picture is seen in its own aspect ratio": "a imagem inteira é vista na sua própria proporção",
    "the whole picture is seen between bars": "a imagem inteira é vista entre barras",
    "neither a centre crop nor the whole picture is seen": "não se vê nem um recorte central nem a imagem inteira",
    "cannot be measured where each picture has its own grid": "não se mede onde cada imagem tem a sua própria grade",
    "no filter of Pillow's": "nenhum filtro do Pillow",
    "no filter of Pillow": "nenhum filtro do Pillow",
    "nearest": "vizinho mais próximo",
    "lanczos": "lanczos",
    "bilinear": "bilinear",
    "bicubic": "bicúbico",
    "box": "caixa",
    "hamming": "hamming",
    "nearest neighbour, as the checkpoint records it": "vizinho mais próximo, segundo o registro do checkpoint",
    "no family was trained with it": "nenhuma família foi treinada com ele",
    "training uses bilinear or bicubic": "no treino se usa o bilinear ou o bicúbico",
    "mean {mean} and deviation {deviation}": "média {mean} e desvio {deviation}",
    "{family} was trained with mean {mean} and deviation {deviation}": (
        "{family} foi treinado com média {mean} e desvio {deviation}"
    ),
}

_WEIGHTS = {
    "the encoder does not show its weights": "o codificador não mostra os seus pesos",
    "NaN or infinity in {names}": "NaN ou infinito em {names}",
    "{names} and {n} more": "{names} e mais {n}",
    "{n} of {of} tensors are not what the file holds: {names}": (
        "{n} de {of} tensores não são o que o arquivo contém: {names}"
    ),
    "as freshly initialised, while their like in other layers are trained: {names}": (
        "como recém-iniciados, enquanto os seus iguais em outras camadas estão treinados: {names}"
    ),
    "{n} tensors, all finite and trained": "{n} tensores, todos finitos e treinados",
    "{n} of {of} tensors compared with the file, all equal, finite and trained": (
        "{n} de {of} tensores comparados com o arquivo, todos iguais, finitos e treinados"
    ),
    "scale {scale}": "escala {scale}",
    "bias {bias}": "viés {bias}",
    "scale {scale}, bias {bias}": "escala {scale}, viés {bias}",
    "{family} has a bias, and none is there": "{family} tem um viés, e ele não está lá",
    "there is no scale": "não há escala",
    "the encoder's spec names none": "a spec do codificador não indica nenhum",
    "{what}: where training starts, as if never trained": (
        "{what}: onde o treino começa, como se nunca tivesse havido treino"
    ),
    "a scale must be a number above 0": "uma escala deve ser um número acima de 0",
    "a bias must be a number": "um viés deve ser um número",
    "a bias of a sigmoid loss is far below 0, since most pairs do not match": (
        "o viés de uma perda sigmoide fica muito abaixo de 0, já que a maioria dos pares não combina"
    ),
    "every number of the vectors is a {format}: scores come in steps and items tie": (
        "todos os números dos vetores são {format}: as pontuações vêm em passos e os itens empatam"
    ),
    "not rounded": "não arredondados",
    "the encoder has no float32 twin to compare with": "o codificador não tem um gêmeo em float32 com que se compare",
    "norms and embeddings are not held in float32: {names}": "normas e embeddings não estão em float32: {names}",
    "float32": "float32",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "integers of 8 bits or fewer": "inteiros de 8 bits ou menos",
    "only the whole examination compares it with float32": "só o exame completo o compara com float32",
    "{format} against float32: cosine at least {cosine}, {share} of the order kept": (
        "{format} contra float32: cosseno de pelo menos {cosine}, {share} da ordem mantida"
    ),
}

_DATA = {
    "captions: {language}": "legendas: {language}",
    "captions: {language} ({how})": "legendas: {language} ({how})",
    "undecided": "não decidido",
    "as the data set says": "como diz o conjunto de dados",
    "by their words": "pelas suas palavras",
    "the encoder reads {languages}": "o codificador lê {languages}",
    "multilingual": "muitos idiomas",
    "what the encoder was trained to read is not on record": (
        "o que o codificador foi treinado a ler não está registrado"
    ),
    "{unknown} of the tokens are unknown, {bytes} single bytes": (
        "{unknown} dos tokens são desconhecidos, {bytes} são bytes soltos"
    ),
    "a token stands for {n} letters": "um token vale por {n} letras",
    "a token stands for {n} letters, so words fall apart": (
        "um token vale por {n} letras, e assim as palavras se desfazem"
    ),
    "none of {n}": "nenhuma de {n}",
    "{n} of {of} ({share}) lose their end: {examples}": "{n} de {of} ({share}) perdem o fim: {examples}",
    "too few different pairs to tell": "pares diferentes de menos para dizer",
    "a picture's own caption scores above another's in {share} of {n} x {m} (chance: 50 %)": (
        "a própria legenda de uma imagem pontua acima da de outra em {share} de {n} x {m} (acaso: 50 %)"
    ),
}

PORTUGUESE: Mapping[str, str] = _ANSWERS | _TEXTS | _PICTURES | _WEIGHTS | _DATA
"""What is said in English -> the same in Portuguese, with the same parameters."""

_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?%?")
_NUMBERS = re.compile(rf"{_NUMBER.pattern}(, {_NUMBER.pattern})+")
_SWAPPED = str.maketrans(".,", ",.")


def measured_in(measured: str, locale: str) -> str:
    """What was measured, in the language asked for as far as it is known.

    >>> measured_in("alone and in a batch: 1 - cosine up to 1.2e-07", "pt-BR")
    'a sós e num lote: 1 - cosseno até 1,2e-07'
    >>> measured_in("text padding", "en"), measured_in("something new", "pt-BR")
    ('text padding', 'something new')
    """
    return measured if locale == "en" else (_said(measured) or measured)


def _said(english: str) -> str | None:
    """One sentence, or several with semicolons between them; a caption that is quoted may hold some too."""
    parts = [_single(part) for part in english.split("; ")]
    return _single(english) if None in parts else "; ".join(map(str, parts))


def _single(english: str) -> str | None:
    """The sentence of the most letters in common, with its parameters filled in."""
    for pattern, portuguese in _patterns():
        if found := pattern.fullmatch(english):
            return portuguese.format(**{name: _parameter(value) for name, value in found.groupdict().items()})
    return None


def _parameter(value: str) -> str:
    if _NUMBER.fullmatch(value):
        return value.translate(_SWAPPED)
    if _NUMBERS.fullmatch(value):
        return "; ".join(number.translate(_SWAPPED) for number in value.split(", "))
    return _said(value) or re.sub(r"\btext (\d+): (?=['\"])", r"texto \1: ", value)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return patterns_of(PORTUGUESE)

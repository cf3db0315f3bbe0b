"""The languages of Cenas once more, by hand: tables and a parser that share nothing with the code under test."""

from __future__ import annotations

import re
from dataclasses import dataclass

PORTUGUESE_NOUNS = {
    "cat": "um gato, dois gatos", "dog": "um cachorro, dois cachorros", "rabbit": "um coelho, dois coelhos",
    "fish": "um peixe, dois peixes", "bird": "um pássaro, dois pássaros", "duck": "um pato, dois patos",
    "owl": "uma coruja, duas corujas", "butterfly": "uma borboleta, duas borboletas",
    "turtle": "uma tartaruga, duas tartarugas", "snail": "um caracol, dois caracóis",
    "elephant": "um elefante, dois elefantes", "whale": "uma baleia, duas baleias", "octopus": "um polvo, dois polvos",
    "crab": "um caranguejo, dois caranguejos", "car": "um carro, dois carros", "bus": "um ônibus, dois ônibus",
    "truck": "um caminhão, dois caminhões", "boat": "um barco, dois barcos", "plane": "um avião, dois aviões",
    "train": "um trem, dois trens", "bicycle": "uma bicicleta, duas bicicletas", "rocket": "um foguete, dois foguetes",
    "balloon": "um balão, dois balões", "tree": "uma árvore, duas árvores", "flower": "uma flor, duas flores",
    "mushroom": "um cogumelo, dois cogumelos", "cactus": "um cacto, dois cactos", "apple": "uma maçã, duas maçãs",
    "pear": "uma pera, duas peras", "pineapple": "um abacaxi, dois abacaxis", "cake": "um bolo, dois bolos",
    "ice cream": "um sorvete, dois sorvetes", "house": "uma casa, duas casas", "castle": "um castelo, dois castelos",
    "tent": "uma barraca, duas barracas", "chair": "uma cadeira, duas cadeiras",
    "lamp": "uma luminária, duas luminárias", "clock": "um relógio, dois relógios", "cup": "uma xícara, duas xícaras",
    "teapot": "um bule, dois bules", "bottle": "uma garrafa, duas garrafas",
    "umbrella": "um guarda-chuva, dois guarda-chuvas", "hat": "um chapéu, dois chapéus", "boot": "uma bota, duas botas",
    "shirt": "uma camiseta, duas camisetas", "key": "uma chave, duas chaves", "book": "um livro, dois livros",
    "guitar": "um violão, dois violões", "kite": "uma pipa, duas pipas", "bell": "um sino, dois sinos",
    "heart": "um coração, dois corações", "star": "uma estrela, duas estrelas", "gift": "um presente, dois presentes",
    "crown": "uma coroa, duas coroas", "pencil": "um lápis, dois lápis", "robot": "um robô, dois robôs",
    "flag": "uma bandeira, duas bandeiras", "envelope": "um envelope, dois envelopes", "candle": "uma vela, duas velas",
    "anchor": "uma âncora, duas âncoras",
}  # fmt: skip
ENGLISH_NOUNS = {
    "cat": "a cat, two cats", "dog": "a dog, two dogs", "rabbit": "a rabbit, two rabbits", "fish": "a fish, two fish",
    "bird": "a bird, two birds", "duck": "a duck, two ducks", "owl": "an owl, two owls",
    "butterfly": "a butterfly, two butterflies", "turtle": "a turtle, two turtles", "snail": "a snail, two snails",
    "elephant": "an elephant, two elephants", "whale": "a whale, two whales", "octopus": "an octopus, two octopuses",
    "crab": "a crab, two crabs", "car": "a car, two cars", "bus": "a bus, two buses", "truck": "a truck, two trucks",
    "boat": "a boat, two boats", "plane": "a plane, two planes", "train": "a train, two trains",
    "bicycle": "a bicycle, two bicycles", "rocket": "a rocket, two rockets", "balloon": "a balloon, two balloons",
    "tree": "a tree, two trees", "flower": "a flower, two flowers", "mushroom": "a mushroom, two mushrooms",
    "cactus": "a cactus, two cactuses", "apple": "an apple, two apples", "pear": "a pear, two pears",
    "pineapple": "a pineapple, two pineapples", "cake": "a cake, two cakes",
    "ice cream": "an ice cream, two ice creams",
    "house": "a house, two houses", "castle": "a castle, two castles", "tent": "a tent, two tents",
    "chair": "a chair, two chairs", "lamp": "a lamp, two lamps", "clock": "a clock, two clocks",
    "cup": "a cup, two cups",
    "teapot": "a teapot, two teapots", "bottle": "a bottle, two bottles", "umbrella": "an umbrella, two umbrellas",
    "hat": "a hat, two hats", "boot": "a boot, two boots", "shirt": "a shirt, two shirts", "key": "a key, two keys",
    "book": "a book, two books", "guitar": "a guitar, two guitars", "kite": "a kite, two kites",
    "bell": "a bell, two bells", "heart": "a heart, two hearts", "star": "a star, two stars",
    "gift": "a gift, two gifts",
    "crown": "a crown, two crowns", "pencil": "a pencil, two pencils", "robot": "a robot, two robots",
    "flag": "a flag, two flags", "envelope": "an envelope, two envelopes", "candle": "a candle, two candles",
    "anchor": "an anchor, two anchors",
}  # fmt: skip
# um gato ..., uma casa ..., dois gatos ..., duas casas ...
PORTUGUESE_COLOURS = {
    "red": "vermelho vermelha vermelhos vermelhas", "orange": "laranja laranja laranja laranja",
    "yellow": "amarelo amarela amarelos amarelas", "green": "verde verde verdes verdes",
    "blue": "azul azul azuis azuis", "purple": "roxo roxa roxos roxas", "pink": "rosa rosa rosa rosa",
    "brown": "marrom marrom marrons marrons", "black": "preto preta pretos pretas",
    "white": "branco branca brancos brancas",
}  # fmt: skip
PORTUGUESE_SIZES = {
    "small": "pequeno pequena pequenos pequenas", "large": "grande grande grandes grandes",
    "medium": "de_tamanho_médio de_tamanho_médio de_tamanho_médio de_tamanho_médio",
}  # fmt: skip
PORTUGUESE_NUMBERS = {2: "dois dois duas", 3: "três três três", 4: "quatro quatro quatro", 5: "cinco cinco cinco"}
SETTINGS = {
    "en": {
        "beach": "on the beach; on a beach; at the beach; a beach",
        "field": "in a field; in the field; in a meadow; a field",
        "forest": "in the forest; in a forest; in the woods; a forest",
        "city": "in the city; in a city; on a city street; a city",
        "desert": "in the desert; in a desert; near the pyramids; a desert",
        "mountains": "in the mountains; near the mountains; mountains",
        "garden": "in the garden; in a garden; a garden",
        "sea": "at sea; on the sea; out at sea; the sea",
        "kitchen": "in the kitchen; in a kitchen; a kitchen",
        "living room": "in the living room; in a living room; a living room",
        "sunny": "on a sunny day; on a bright sunny day; in the sunshine",
        "sunset": "at sunset; as the sun sets",
        "night": "at night; on a starry night",
        "rain": "on a rainy day; while it rains; in the rain",
        "snow": "on a snowy day; while it snows; in the snow",
    },
    "pt-BR": {
        "beach": "na praia; em uma praia; numa praia; uma praia",
        "field": "no campo; em um campo; num campo; um campo",
        "forest": "na floresta; em uma floresta; na mata; uma floresta",
        "city": "na cidade; em uma cidade; numa rua da cidade; uma cidade",
        "desert": "no deserto; em um deserto; perto das pirâmides; um deserto",
        "mountains": "nas montanhas; perto das montanhas; montanhas",
        "garden": "no jardim; em um jardim; num jardim; um jardim",
        "sea": "no mar; em alto-mar; o mar",
        "kitchen": "na cozinha; em uma cozinha; numa cozinha; uma cozinha",
        "living room": "na sala; na sala de estar; em uma sala; uma sala",
        "sunny": "em um dia de sol; num dia ensolarado; sob o sol",
        "sunset": "ao pôr do sol; no fim da tarde",
        "night": "à noite; de noite; em uma noite estrelada",
        "rain": "em um dia de chuva; num dia chuvoso; enquanto chove; na chuva; debaixo de chuva",
        "snow": "em um dia de neve; enquanto neva; na neve",
    },
}
OUTDOOR_PHRASES = (
    "in the sunshine",
    "in the rain",
    "in the snow",
    "sob o sol",
    "na chuva",
    "debaixo de chuva",
    "na neve",
)
RELATIONS = {
    "en": {
        "to the left of": "left", "on the left of": "left", "to the right of": "right", "on the right of": "right",
        "above": "above", "over": "above", "below": "below", "under": "below",
    },
    "pt-BR": {
        "à esquerda": "left", "do lado esquerdo": "left", "à direita": "right", "do lado direito": "right",
        "acima": "above", "abaixo": "below", "embaixo": "below",
    },
}  # fmt: skip
SIDES = {
    "en": {"on the left": "left", "on the right": "right", "at the top": "above", "at the bottom": "below"},
    "pt-BR": {"à esquerda": "left", "à direita": "right", "na parte de cima": "above", "na parte de baixo": "below"},
}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


@dataclass
class Noun:
    """What a noun phrase says; `form` is 0 to 3: masculine, feminine, masculine plural, feminine plural."""

    kind: str
    plural: bool
    form: int
    colour: str | None = None
    count: int | None = None
    size: str | None = None
    several: bool = False


@dataclass
class Facts:
    nouns: list[Noun]
    relation: str | None  # where nouns[0] is, seen from nouns[1]
    place: str | None
    time: str | None


def _alternatives(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


def _english_nouns() -> dict[str, tuple[str, int]]:
    found = {}
    for kind, text in ENGLISH_NOUNS.items():
        one, two = text.split(", ")
        found[two.removeprefix("two ")] = (kind, 2)
        found[one.split(" ", 1)[1]] = (kind, 0)
    return found


def portuguese_forms(kind: str) -> tuple[str, str, bool]:
    """Singular, plural, feminine."""
    one, two = PORTUGUESE_NOUNS[kind].split(", ")
    return one.split(" ")[1], two.split(" ")[1], one.startswith("uma ")


_EN_NOUNS = _english_nouns()
_EN_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
_EN_SIZES = {"small": "small", "little": "small", "medium-sized": "medium", "large": "large", "big": "large"}
_EN_PHRASE = re.compile(
    rf"\b(?:(?P<article>a|an|the|some|several) )?(?:(?P<number>two|three|four|five) )?"
    rf"(?:(?P<size>{_alternatives(_EN_SIZES)}) )?(?:(?P<colour>{_alternatives(PORTUGUESE_COLOURS)}) )?"
    rf"(?P<noun>{_alternatives(_EN_NOUNS)})\b"
)


def _english_noun(match: re.Match[str]) -> Noun:
    kind, form = _EN_NOUNS[match["noun"]]
    number, article = match["number"], match["article"]
    plural = number is not None or article in ("some", "several") or (form == 2 and kind != "fish")
    if kind != "fish":
        assert plural == (form == 2), match[0]
    if article in ("a", "an"):
        assert not plural, match[0]
        rest = match[0].split(" ", 1)[1]
        assert (article == "an") == (rest[0] in "aeiou"), match[0]
    if article is None:
        assert number is not None, match[0]
    count = _EN_NUMBERS[number] if number else None if plural else 1
    if kind == "fish" and article == "the" and number is None:
        plural, count = None, None  # type: ignore[assignment]  # "the fish" may be one or many
    size = _EN_SIZES[match["size"]] if match["size"] else None
    return Noun(kind, plural, 0, match["colour"], count, size, article == "several")


def _portuguese_tables() -> tuple[dict[str, list[tuple[str, int]]], ...]:
    nouns: dict[str, list[tuple[str, int]]] = {}
    for kind in PORTUGUESE_NOUNS:
        one, two, feminine = portuguese_forms(kind)
        nouns.setdefault(one, []).append((kind, int(feminine)))
        nouns.setdefault(two, []).append((kind, 2 + int(feminine)))
    tables = []
    for source in (PORTUGUESE_COLOURS, PORTUGUESE_SIZES):
        table: dict[str, list[tuple[str, int]]] = {}
        for name, forms in source.items():
            for i, form in enumerate(forms.split(" ")):
                table.setdefault(form.replace("_", " "), []).append((name, i))
        tables.append(table)
    return nouns, *tables


_PT_NOUNS, _PT_COLOURS, _PT_SIZES = _portuguese_tables()
_PT_NUMBERS = {"dois": (2, (2,)), "duas": (2, (3,)), "três": (3, (2, 3)), "quatro": (4, (2, 3)), "cinco": (5, (2, 3))}
_PT_ARTICLES = {
    "um": 0, "uma": 1, "alguns": 2, "algumas": 3, "vários": 2, "várias": 3, "o": 0, "a": 1, "os": 2, "as": 3,
    "do": 0, "da": 1, "dos": 2, "das": 3,
}  # fmt: skip
_S, _C = _alternatives(_PT_SIZES), _alternatives(_PT_COLOURS)
_PT_PHRASE = re.compile(
    rf"\b(?:(?P<article>{_alternatives(_PT_ARTICLES)}) )?(?:(?P<number>{_alternatives(_PT_NUMBERS)}) )?"
    rf"(?:(?P<size1>{_S}) )?(?P<noun>{_alternatives(_PT_NOUNS)})\b"
    rf"(?: (?P<size2>{_S}) e (?P<colour2>{_C})\b|(?: (?P<colour1>{_C})\b)?(?: (?P<size3>{_S})\b)?)"
)


def _portuguese_noun(match: re.Match[str]) -> Noun:
    """Checks gender and number of every word against the noun's."""
    article, number = match["article"], match["number"]
    possible = _PT_NOUNS[match["noun"]]
    if article:
        possible = [(kind, form) for kind, form in possible if form == _PT_ARTICLES[article]]
    if number:
        possible = [(kind, form) for kind, form in possible if form in _PT_NUMBERS[number][1]]
    assert len(possible) == 1, f"{match[0]}: no agreement, or no article"
    kind, form = possible[0]

    def agreeing(word: str | None, table: dict[str, list[tuple[str, int]]]) -> str | None:
        if word is None:
            return None
        names = [name for name, i in table[word] if i == form]
        assert len(names) == 1, f"{match[0]}: {word!r} does not agree"
        return names[0]

    size = agreeing(match["size1"] or match["size2"] or match["size3"], _PT_SIZES)
    colour = agreeing(match["colour1"] or match["colour2"], _PT_COLOURS)
    plural = form >= 2
    count = _PT_NUMBERS[number][0] if number else None if plural else 1
    return Noun(kind, plural, form, colour, count, size, article in ("vários", "várias"))


def parse(text: str, language: str) -> Facts:
    """The facts of a caption; an assertion fails on any word it cannot account for."""
    line = text[0].lower() + text[1:]
    line = line.removesuffix(".").replace(",", "")
    phrase, read = (_EN_PHRASE, _english_noun) if language == "en" else (_PT_PHRASE, _portuguese_noun)
    found: dict[str, str | None] = {"place": None, "time": None}
    phrases = {p: name for name, group in SETTINGS[language].items() for p in group.split("; ")}
    times = ("sunny", "sunset", "night", "rain", "snow")
    for p in sorted(phrases, key=len, reverse=True):
        what = "time" if phrases[p] in times else "place"
        if found[what] is None and re.search(rf"(?:^|(?<= )){re.escape(p)}(?= |$)", line):
            title = len(p.split()) <= 3 and not re.match(r"(in|on|at|near|out|n[oa]s?|em|numa?|perto) ", p)
            if what == "place" and title and not line.startswith(p):
                continue
            line = re.sub(rf"(?:^|(?<= )){re.escape(p)}(?= |$)", "#t" if what == "time" else "#p", line, count=1)
            found[what] = phrases[p]
            if p in OUTDOOR_PHRASES:
                assert found["place"] not in ("kitchen", "living room"), text
    nouns: list[Noun] = []

    def take(match: re.Match[str]) -> str:
        nouns.append(read(match))
        return f"@{len(nouns) - 1}"

    core = phrase.sub(take, line)
    core = re.sub(r"^#p( #t)? (?:with|com) (?=@)", "", core)
    core = re.sub(r"^(?:#p )?(?:#t )?", "", re.sub(r"(?: #p)?(?: #t)?$", "", core))
    return Facts(nouns, _relation(core, nouns, language, text), found["place"], found["time"])


def _relation(core: str, nouns: list[Noun], language: str, text: str) -> str | None:
    relations, sides = RELATIONS[language], SIDES[language]
    rel, side = _alternatives(relations), _alternatives(sides)
    if language == "en":
        opening = r"(?:(?:there (?P<is>is|are)|you can see|an? (?:picture|drawing|illustration)(?: of)) )?"
        related = rf"@0(?: (?P<be>is|are))? (?P<rel>{rel}) @1"
        turned = rf"@0 with @1 (?P<turned>{rel}) (?P<it>it|them)"
        both, joined = rf"@0 (?P<side0>{side}) and @1 (?P<side1>{side})", r"@0(?: (?:and|with) @1)?"
    else:
        opening = r"(?:(?:há|tem|(?P<is>vê-se|veem-se)|dá para ver|um(?:a imagem| desenho|a ilustração) de) )?"
        related = rf"@0(?: (?P<be>está|estão|fica|ficam))? (?P<rel>{rel})(?: de)? @1"
        turned = rf"@0 com @1 (?P<turned>{rel}) (?P<it>dele|dela|deles|delas)"
        both, joined = rf"@0 (?P<side0>{side}) e @1 (?P<side1>{side})", r"@0(?: (?:e|com) @1)?"
    match = re.fullmatch(rf"{opening}(?:{related}|{turned}|{both}|{joined})", core)
    assert match is not None, f"cannot read {text!r}: {core!r}"
    plural = nouns[0].plural
    if plural is not None:
        if match["is"]:
            assert (match["is"] in ("are", "veem-se")) == plural, text
        if match["be"]:
            assert (match["be"] in ("are", "estão", "ficam")) == plural, text
        if match["it"] and language == "en":
            assert (match["it"] == "them") == plural, text
        elif match["it"]:
            assert match["it"] == ("dele", "dela", "deles", "delas")[nouns[0].form], text
    if match["rel"]:
        return relations[match["rel"]]
    if match["turned"]:
        return OPPOSITE[relations[match["turned"]]]
    if match["side0"]:
        assert sides[match["side1"]] == OPPOSITE[sides[match["side0"]]], text
        return sides[match["side0"]]
    return None

"""Claims put into Brazilian Portuguese: every article, number and adjective agrees with its noun."""

from __future__ import annotations

from random import Random

from luneta.data.cenas.claims import INVERSE, Claim, Mention, Relation
from luneta.data.cenas.world import INDOORS, pick

NOUNS: dict[str, tuple[str, str, str]] = {
    "cat": ("gato", "gatos", "m"),
    "dog": ("cachorro", "cachorros", "m"),
    "rabbit": ("coelho", "coelhos", "m"),
    "fish": ("peixe", "peixes", "m"),
    "bird": ("pássaro", "pássaros", "m"),
    "duck": ("pato", "patos", "m"),
    "owl": ("coruja", "corujas", "f"),
    "butterfly": ("borboleta", "borboletas", "f"),
    "turtle": ("tartaruga", "tartarugas", "f"),
    "snail": ("caracol", "caracóis", "m"),
    "elephant": ("elefante", "elefantes", "m"),
    "whale": ("baleia", "baleias", "f"),
    "octopus": ("polvo", "polvos", "m"),
    "crab": ("caranguejo", "caranguejos", "m"),
    "car": ("carro", "carros", "m"),
    "bus": ("ônibus", "ônibus", "m"),
    "truck": ("caminhão", "caminhões", "m"),
    "boat": ("barco", "barcos", "m"),
    "plane": ("avião", "aviões", "m"),
    "train": ("trem", "trens", "m"),
    "bicycle": ("bicicleta", "bicicletas", "f"),
    "rocket": ("foguete", "foguetes", "m"),
    "balloon": ("balão", "balões", "m"),
    "tree": ("árvore", "árvores", "f"),
    "flower": ("flor", "flores", "f"),
    "mushroom": ("cogumelo", "cogumelos", "m"),
    "cactus": ("cacto", "cactos", "m"),
    "apple": ("maçã", "maçãs", "f"),
    "pear": ("pera", "peras", "f"),
    "pineapple": ("abacaxi", "abacaxis", "m"),
    "cake": ("bolo", "bolos", "m"),
    "ice cream": ("sorvete", "sorvetes", "m"),
    "house": ("casa", "casas", "f"),
    "castle": ("castelo", "castelos", "m"),
    "tent": ("barraca", "barracas", "f"),
    "chair": ("cadeira", "cadeiras", "f"),
    "lamp": ("luminária", "luminárias", "f"),
    "clock": ("relógio", "relógios", "m"),
    "cup": ("xícara", "xícaras", "f"),
    "teapot": ("bule", "bules", "m"),
    "bottle": ("garrafa", "garrafas", "f"),
    "umbrella": ("guarda-chuva", "guarda-chuvas", "m"),
    "hat": ("chapéu", "chapéus", "m"),
    "boot": ("bota", "botas", "f"),
    "shirt": ("camiseta", "camisetas", "f"),
    "key": ("chave", "chaves", "f"),
    "book": ("livro", "livros", "m"),
    "guitar": ("violão", "violões", "m"),
    "kite": ("pipa", "pipas", "f"),
    "bell": ("sino", "sinos", "m"),
    "heart": ("coração", "corações", "m"),
    "star": ("estrela", "estrelas", "f"),
    "gift": ("presente", "presentes", "m"),
    "crown": ("coroa", "coroas", "f"),
    "pencil": ("lápis", "lápis", "m"),
    "robot": ("robô", "robôs", "m"),
    "flag": ("bandeira", "bandeiras", "f"),
    "envelope": ("envelope", "envelopes", "m"),
    "candle": ("vela", "velas", "f"),
    "anchor": ("âncora", "âncoras", "f"),
}
"""English kind -> singular, plural, gender."""

Forms = tuple[str, str, str, str]
"""Masculine and feminine singular, masculine and feminine plural."""

COLOURS: dict[str, Forms] = {
    "red": ("vermelho", "vermelha", "vermelhos", "vermelhas"),
    "orange": ("laranja", "laranja", "laranja", "laranja"),  # named after a thing: does not vary
    "yellow": ("amarelo", "amarela", "amarelos", "amarelas"),
    "green": ("verde", "verde", "verdes", "verdes"),
    "blue": ("azul", "azul", "azuis", "azuis"),
    "purple": ("roxo", "roxa", "roxos", "roxas"),
    "pink": ("rosa", "rosa", "rosa", "rosa"),
    "brown": ("marrom", "marrom", "marrons", "marrons"),
    "black": ("preto", "preta", "pretos", "pretas"),
    "white": ("branco", "branca", "brancos", "brancas"),
}
SMALL: Forms = ("pequeno", "pequena", "pequenos", "pequenas")
LARGE: Forms = ("grande", "grande", "grandes", "grandes")
MEDIUM = "de tamanho médio"
INDEFINITE: Forms = ("um", "uma", "alguns", "algumas")
DEFINITE: Forms = ("o", "a", "os", "as")
OF_THE: Forms = ("do", "da", "dos", "das")
SEVERAL: Forms = ("", "", "vários", "várias")
PRONOUNS: Forms = ("dele", "dela", "deles", "delas")
NUMBERS = {2: ("dois", "duas"), 3: ("três", "três"), 4: ("quatro", "quatro"), 5: ("cinco", "cinco")}
PLACES = {
    "beach": ("na praia", "em uma praia", "numa praia"),
    "field": ("no campo", "em um campo", "num campo"),
    "forest": ("na floresta", "em uma floresta", "na mata"),
    "city": ("na cidade", "em uma cidade", "numa rua da cidade"),
    "desert": ("no deserto", "em um deserto", "perto das pirâmides"),
    "mountains": ("nas montanhas", "perto das montanhas"),
    "garden": ("no jardim", "em um jardim", "num jardim"),
    "sea": ("no mar", "em alto-mar"),
    "kitchen": ("na cozinha", "em uma cozinha", "numa cozinha"),
    "living room": ("na sala", "na sala de estar", "em uma sala"),
}
TIMES = {
    "sunny": ("em um dia de sol", "num dia ensolarado"),
    "sunset": ("ao pôr do sol", "no fim da tarde"),
    "night": ("à noite", "de noite", "em uma noite estrelada"),
    "rain": ("em um dia de chuva", "num dia chuvoso", "enquanto chove"),
    "snow": ("em um dia de neve", "enquanto neva"),
}
OUTDOOR_TIMES = {"sunny": ("sob o sol",), "rain": ("na chuva", "debaixo de chuva"), "snow": ("na neve",)}
TITLES = {
    "beach": "uma praia", "field": "um campo", "forest": "uma floresta", "city": "uma cidade",
    "desert": "um deserto", "mountains": "montanhas", "garden": "um jardim", "sea": "o mar",
    "kitchen": "uma cozinha", "living room": "uma sala",
}  # fmt: skip
RELATIONS: dict[Relation, tuple[str, ...]] = {
    "left": ("à esquerda", "do lado esquerdo"),
    "right": ("à direita", "do lado direito"),
    "above": ("acima",),
    "below": ("abaixo", "embaixo"),
}
PICTURES = ("uma imagem de", "um desenho de", "uma ilustração de")
SIDES: dict[Relation, str] = {
    "left": "à esquerda", "right": "à direita", "above": "na parte de cima", "below": "na parte de baixo",
}  # fmt: skip
FEMININE_KINDS = frozenset(kind for kind, noun in NOUNS.items() if noun[2] == "f")
MASCULINE_KINDS = frozenset(NOUNS) - FEMININE_KINDS


def agreeing(forms: Forms, mention: Mention) -> str:
    """The form that agrees in gender and number with the mentioned noun."""
    return forms[2 * mention.plural + (NOUNS[mention.group.kind][2] == "f")]


def noun_phrase(mention: Mention, rng: Random, *, article: str = "indefinite") -> str:
    """
    Args:
        article: "indefinite", "definite", or "of the" (the definite one contracted with "de").

    >>> from luneta.data.cenas.world import Group, seeded
    >>> noun_phrase(Mention(Group("flower", "blue", 2, "small")), seeded(0))
    'duas flores azuis'
    >>> noun_phrase(Mention(Group("truck", "red", 3, "small"), number=False), seeded(0), article="of the")
    'dos caminhões vermelhos'
    """
    group = mention.group
    words = [NOUNS[group.kind][int(mention.plural)]]
    if mention.colour:
        words.append(agreeing(COLOURS[group.colour], mention))
    if mention.size:
        _add_size(words, mention, rng)
    if mention.plural and mention.number:
        words.insert(0, NUMBERS[group.count][NOUNS[group.kind][2] == "f"])
    if article != "indefinite":
        words.insert(0, agreeing(OF_THE if article == "of the" else DEFINITE, mention))
    elif not mention.plural:
        words.insert(0, agreeing(INDEFINITE, mention))
    elif not mention.number:
        words.insert(0, agreeing(pick(rng, (INDEFINITE, SEVERAL)) if group.count > 2 else INDEFINITE, mention))
    return " ".join(words)


def _add_size(words: list[str], mention: Mention, rng: Random) -> None:
    if mention.group.size == "medium":
        words.append(MEDIUM)
        return
    adjective = agreeing(SMALL if mention.group.size == "small" else LARGE, mention)
    position = rng.random()
    if position < 0.4:
        words.insert(0, adjective)
    elif position < 0.8 or not mention.colour:
        words.append(adjective)
    else:
        words[1:] = [adjective, "e", words[1]]


def caption(claim: Claim, rng: Random) -> str:
    """One of the many ways to say a claim."""
    scenery = " ".join(_setting(claim, rng))
    title = rng.random() < 0.2 and claim.place is not None
    core, is_sentence = _core(claim, rng, nominal=title)
    if title:
        place, time = TITLES[claim.place or ""], TIMES[claim.time][0] if claim.time else ""
        text, is_sentence = f"{place} {time} com {core}" if time else f"{place} com {core}", False
    elif not scenery:
        text = core
    elif rng.random() < 0.3 and not core.startswith(PICTURES):
        text, is_sentence = f"{scenery}, {core}", True
    else:
        text = f"{core} {scenery}"
    if is_sentence or rng.random() < 0.4:
        text = f"{text[0].upper()}{text[1:]}."
    return text


def _time(claim: Claim, rng: Random) -> str:
    if claim.time is None:
        return ""
    outdoors = claim.place is not None and claim.place not in INDOORS
    return pick(rng, TIMES[claim.time] + (OUTDOOR_TIMES.get(claim.time, ()) if outdoors else ()))


def _setting(claim: Claim, rng: Random) -> list[str]:
    parts = [pick(rng, PLACES[claim.place])] if claim.place else []
    time = _time(claim, rng)
    return [*parts, time] if time else parts


def _core(claim: Claim, rng: Random, nominal: bool) -> tuple[str, bool]:
    """The groups, without place and time, and whether that is a whole sentence.

    Args:
        nominal: only forms that can stand after "com".
    """
    plural = claim.mentions[0].plural
    there_is = pick(rng, ("há", "veem-se" if plural else "vê-se", "tem"))
    names = [noun_phrase(mention, rng) for mention in claim.mentions]
    if claim.relation is None and nominal:
        return " e ".join(names), False
    if claim.relation is None:
        joined = names[0] if len(names) == 1 else f"{names[0]} {pick(rng, ('e', 'e', 'com'))} {names[1]}"
        forms = (
            (joined, False),
            (f"{there_is} {joined}", True),
            (f"{pick(rng, PICTURES)} {joined}", False),
            (f"dá para ver {joined}", True),
        )
        return pick(rng, forms)
    relation = pick(rng, RELATIONS[claim.relation])
    first, second = names
    both_sides = f"{first} {SIDES[claim.relation]} e {second} {SIDES[INVERSE[claim.relation]]}"
    if nominal:
        return pick(rng, ((f"{first} {relation} de {second}", False), (both_sides, False)))
    the_first = noun_phrase(claim.mentions[0], rng, article="definite")
    of_the_second = noun_phrase(claim.mentions[1], rng, article="of the")
    be = pick(rng, ("estão", "ficam") if plural else ("está", "fica"))
    return pick(
        rng,
        (
            (f"{first} {relation} de {second}", False),
            (f"{there_is} {first} {relation} de {second}", True),
            (f"{the_first} {be} {relation} {of_the_second}", True),
            (both_sides, False),
            (f"{second} com {first} {relation} {agreeing(PRONOUNS, claim.mentions[1])}", False),
        ),
    )


def pair_caption(claim: Claim, form: int) -> str:
    """The caption of one half of a swapped pair: the same `form` gives both halves the same words."""
    assert claim.relation is not None
    assert claim.place is not None
    assert claim.time is not None
    first, second = (noun_phrase(mention, Random(form)) for mention in claim.mentions)
    relation, place, time = RELATIONS[claim.relation][0], PLACES[claim.place][0], TIMES[claim.time][0]
    return (
        f"{first} {relation} de {second} {place}",
        f"Há {first} {relation} de {second} {time}.",
        f"{first} {SIDES[claim.relation]} e {second} {SIDES[INVERSE[claim.relation]]} {place}",
    )[form % 3]

"""Claims put into English."""

from __future__ import annotations

from random import Random

from luneta.data.cenas.claims import INVERSE, Claim, Mention, Relation
from luneta.data.cenas.world import INDOORS, KINDS, pick

IRREGULAR_PLURALS = {
    "fish": "fish", "bus": "buses", "cactus": "cactuses", "octopus": "octopuses", "butterfly": "butterflies",
}  # fmt: skip
PLURALS = {kind: IRREGULAR_PLURALS.get(kind, f"{kind}s") for kind in KINDS}
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
SIZE_WORDS = {"small": ("small", "little"), "medium": ("medium-sized",), "large": ("large", "big")}
PLACES = {
    "beach": ("on the beach", "on a beach", "at the beach"),
    "field": ("in a field", "in the field", "in a meadow"),
    "forest": ("in the forest", "in a forest", "in the woods"),
    "city": ("in the city", "in a city", "on a city street"),
    "desert": ("in the desert", "in a desert", "near the pyramids"),
    "mountains": ("in the mountains", "near the mountains"),
    "garden": ("in the garden", "in a garden"),
    "sea": ("at sea", "on the sea", "out at sea"),
    "kitchen": ("in the kitchen", "in a kitchen"),
    "living room": ("in the living room", "in a living room"),
}
TIMES = {
    "sunny": ("on a sunny day", "on a bright, sunny day"),
    "sunset": ("at sunset", "as the sun sets"),
    "night": ("at night", "on a starry night"),
    "rain": ("on a rainy day", "while it rains"),
    "snow": ("on a snowy day", "while it snows"),
}
OUTDOOR_TIMES = {"sunny": ("in the sunshine",), "rain": ("in the rain",), "snow": ("in the snow",)}
TITLES = {
    "beach": "a beach", "field": "a field", "forest": "a forest", "city": "a city", "desert": "a desert",
    "mountains": "mountains", "garden": "a garden", "sea": "the sea", "kitchen": "a kitchen",
    "living room": "a living room",
}  # fmt: skip
RELATIONS: dict[Relation, tuple[str, ...]] = {
    "left": ("to the left of", "on the left of"),
    "right": ("to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
PICTURES = ("a picture of", "a drawing of", "an illustration of")
SIDES: dict[Relation, str] = {
    "left": "on the left", "right": "on the right", "above": "at the top", "below": "at the bottom",
}  # fmt: skip


def noun_phrase(mention: Mention, rng: Random, *, definite: bool = False) -> str:
    """
    >>> from luneta.data.cenas.world import Group, seeded
    >>> noun_phrase(Mention(Group("owl", "orange", 1, "small")), seeded(0))
    'an orange owl'
    >>> noun_phrase(Mention(Group("bus", "red", 3, "large")), seeded(0), definite=True)
    'the three red buses'
    """
    group = mention.group
    words = [pick(rng, SIZE_WORDS[group.size])] if mention.size else []
    words += [group.colour] if mention.colour else []
    words.append(PLURALS[group.kind] if mention.plural else group.kind)
    if mention.plural and mention.number:
        words.insert(0, NUMBERS[group.count])
    if definite:
        words.insert(0, "the")
    elif not mention.plural:
        words.insert(0, "an" if words[0][0] in "aeiou" else "a")
    elif not mention.number:
        words.insert(0, pick(rng, ("some", "several")) if group.count > 2 else "some")
    return " ".join(words)


def caption(claim: Claim, rng: Random) -> str:
    """One of the many ways to say a claim."""
    scenery = " ".join(_setting(claim, rng))
    title = rng.random() < 0.2 and claim.place is not None
    core, is_sentence = _core(claim, rng, nominal=title)
    if title:
        place, time = TITLES[claim.place or ""], TIMES[claim.time][0] if claim.time else ""
        text, is_sentence = f"{place} {time} with {core}" if time else f"{place} with {core}", False
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
        nominal: only forms that can stand after "with".
    """
    be = "are" if claim.mentions[0].plural else "is"
    names = [noun_phrase(mention, rng) for mention in claim.mentions]
    if claim.relation is None and nominal:
        return " and ".join(names), False
    if claim.relation is None:
        joined = names[0] if len(names) == 1 else f"{names[0]} {pick(rng, ('and', 'and', 'with'))} {names[1]}"
        forms = (
            (joined, False),
            (f"there {be} {joined}", True),
            (f"{pick(rng, PICTURES)} {joined}", False),
            (f"you can see {joined}", True),
        )
        return pick(rng, forms)
    relation = pick(rng, RELATIONS[claim.relation])
    first, second = names
    both_sides = f"{first} {SIDES[claim.relation]} and {second} {SIDES[INVERSE[claim.relation]]}"
    if nominal:
        return pick(rng, ((f"{first} {relation} {second}", False), (both_sides, False)))
    the_first, the_second = (noun_phrase(mention, rng, definite=True) for mention in claim.mentions)
    it = "them" if claim.mentions[1].plural else "it"
    return pick(
        rng,
        (
            (f"{first} {relation} {second}", False),
            (f"there {be} {first} {relation} {second}", True),
            (f"{the_first} {be} {relation} {the_second}", True),
            (both_sides, False),
            (f"{second} with {first} {relation} {it}", False),
        ),
    )


def pair_caption(claim: Claim, form: int) -> str:
    """The caption of one half of a swapped pair: the same `form` gives both halves the same words."""
    assert claim.relation is not None
    assert claim.place is not None
    assert claim.time is not None
    first, second = (noun_phrase(mention, Random(form)) for mention in claim.mentions)
    relation, place, time = RELATIONS[claim.relation][0], PLACES[claim.place][0], TIMES[claim.time][0]
    be = "are" if claim.mentions[0].plural else "is"
    return (
        f"{first} {relation} {second} {place}",
        f"There {be} {first} {relation} {second} {time}.",
        f"{first} {SIDES[claim.relation]} and {second} {SIDES[INVERSE[claim.relation]]} {place}",
    )[form % 3]

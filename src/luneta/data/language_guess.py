"""Which language a caption seems to be in: by script and very common words, and "undecided" where they fall short."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

UNDECIDED = "undecided"

_COMMON_WORDS = {
    "en": (
        "a an the of and in on with is are at to by for from two three its his her this that some standing "
        "sitting next man woman people there while front into near over under behind"
    ),
    "pt": (
        "a o um uma uns umas de do da dos das em no na nos nas com e é são ao à para por pelo pela que seu "
        "sua dois duas três homem mulher ele ela está estão sobre perto lado não há outro outra"
    ),
    "es": (
        "a el la los las un una unos unas de del en con y es son al para por que su sus dos tres hombre "
        "mujer está están sobre cerca no hay otro otra lado"
    ),
    "fr": (
        "a le la les un une des de du en dans avec et est sont au aux à pour par qui que son sa ses deux "
        "trois homme femme sur près il elle ce cette"
    ),
    "de": (
        "der die das ein eine einen einem einer eines des dem den und in im mit ist sind am an auf zu von "
        "vom für zwei drei mann frau neben vor hinter über unter nicht sich"
    ),
    "it": (
        "a il lo la i gli le un uno una di del della dei delle in nel nella con e è sono al alla per da che "
        "suo sua due tre uomo donna su sul sulla vicino non si"
    ),
    "nl": (
        "de het een van en in op met is zijn aan te naar voor door uit bij twee drie man vrouw naast over "
        "onder niet zich er dat die"
    ),
}
_LANGUAGES_OF = {
    word: tuple(code for code, words in _COMMON_WORDS.items() if word in words.split())
    for words in _COMMON_WORDS.values()
    for word in words.split()
}
_TELLTALE = {"ã": "pt", "õ": "pt", "ñ": "es", "¿": "es", "¡": "es", "ß": "de"}  # letters of one of them only
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_BY_SCRIPT = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "THAI": "th",
    "GREEK": "el",
    "HEBREW": "he",
}
_PORTUGUESE = {
    UNDECIDED: "indefinido", "Cyrillic": "cirílica", "Arabic": "árabe", "Devanagari": "devanágari",
    "Bengali": "bengali", "Tamil": "tâmil", "Armenian": "armênia", "Georgian": "georgiana", "Ethiopic": "etiópica",
}  # fmt: skip
_ENOUGH = 0.6  # what the words of the best language must weigh together
_AHEAD = 1.2  # and how many times what those of the next one do


def guess_language(text: str) -> str:
    """A language code, a script ("Cyrillic script") where it alone says no more, or "undecided".

    Among languages of Latin script only English, Portuguese, Spanish, French, German, Italian and Dutch are told
    apart, by words that are common in one and rare in the others; short captions often hold none. Chinese characters
    without kana count as Chinese.

    >>> guess_language("Um barco vermelho na praia"), guess_language("A red boat on the beach")
    ('pt', 'en')
    >>> guess_language("白い犬が走る"), guess_language("Белая собака"), guess_language("Tux.")
    ('ja', 'Cyrillic script', 'undecided')
    """
    scripts = Counter(filter(None, map(_script, text)))
    if not scripts:
        return UNDECIDED
    if scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return "ja"
    script = scripts.most_common(1)[0][0]
    if script == "LATIN":
        return _latin(text.lower())
    return _BY_SCRIPT.get(script, f"{script.title()} script")


def guess_in(guess: str, locale: str) -> str:
    """A guess as it is said in another language; codes stay.

    >>> [guess_in(guess, "pt-BR") for guess in ("ja", "Cyrillic script", "Tibetan script", "undecided")]
    ['ja', 'escrita cirílica', 'escrita Tibetan', 'indefinido']
    """
    if locale == "en":
        return guess
    script = guess.removesuffix(" script")
    return f"escrita {_PORTUGUESE.get(script, script)}" if script != guess else _PORTUGUESE.get(guess, guess)


@lru_cache(maxsize=1 << 14)
def _script(character: str) -> str | None:
    """The first word of a letter's Unicode name is its script."""
    return unicodedata.name(character, " ").split(" ")[0] if character.isalpha() else None


def _latin(text: str) -> str:
    """The language whose words weigh most, if they weigh enough; a word of many languages weighs little."""
    scores = dict.fromkeys(_COMMON_WORDS, 0.0)
    for word in _WORD.findall(text):
        languages = _LANGUAGES_OF.get(word, ())
        for code in languages:
            scores[code] += 1 / len(languages)
    for character, code in _TELLTALE.items():
        if character in text:
            scores[code] += 1
    best, second = sorted(scores, key=lambda code: scores[code], reverse=True)[:2]
    return best if scores[best] >= _ENOUGH and scores[best] > _AHEAD * scores[second] else UNDECIDED

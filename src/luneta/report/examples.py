"""Example queries as a report shows them: what was asked, what is right, what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luneta.data.dataset import ImageTextDataset
from luneta.ranking import Ranking
from luneta.report.document import Page
from luneta.results import Evaluation, Example
from luneta.types import DIRECTIONS

KINDS = (("hits", "good"), ("near_misses", "warn"), ("failures", "bad"))
N_ANSWERS = 3
"""Right answers shown when none of them was retrieved: equal captions can make hundreds right."""


def galleries(evaluation: Evaluation, page: Page, n_examples: int | None = None) -> list[dict[str, Any]]:
    """Hits, near misses and failures of both directions; empty when the result holds no pictures.

    Args:
        evaluation: of one encoder.
        page: what the report is written with.
        n_examples: at most so many of each kind; None shows all that the evaluation chose.
    """
    data, exhibits = evaluation.data, evaluation.exhibits
    if data is None or exhibits is None:
        return []
    show = {"text_to_image": _text_query, "image_to_text": _image_query}
    return [
        {
            "direction": direction,
            "kinds": [
                {
                    "name": kind,
                    "tone": tone,
                    "examples": [
                        show[direction](example, data, evaluation.rankings[direction], page)
                        for example in getattr(exhibits[direction], kind)[:n_examples]
                    ],
                }
                for kind, tone in KINDS
            ],
        }
        for direction in DIRECTIONS
    ]


def own_caption(data: ImageTextDataset, image: int) -> str:
    """The first caption of an image; its label where it has none, as among pictures for judged queries."""
    texts = data.texts_of(image)
    return data.texts[int(texts[0])] if len(texts) else data.images[image].label


def picture_view(data: ImageTextDataset, image: int, page: Page) -> dict[str, Any]:
    """A picture of the data set, its first caption as its text alternative."""
    picture = page.picture(data.images[image])
    return {"uri": picture.uri, "label": picture.label, "alt": own_caption(data, image), "language": data.language}


def _text_query(example: Example, data: ImageTextDataset, ranking: Ranking, page: Page) -> dict[str, Any]:
    relevant = set(example.relevant)
    answers = _not_retrieved(example)
    first = example.retrieved[0]
    return {
        "query": data.texts[example.query],
        "rank": _rank(example, ranking, page),
        "retrieved": [
            {**picture_view(data, image, page), "right": image in relevant, "score": page.number(score)}
            for image, score in zip(example.retrieved, example.scores, strict=True)
        ],
        "answers": [picture_view(data, image, page) for image in answers[:N_ANSWERS]],
        "n_more": max(0, len(answers) - N_ANSWERS),
        "found_first": None if first in relevant else own_caption(data, first),
    }


def _image_query(example: Example, data: ImageTextDataset, ranking: Ranking, page: Page) -> dict[str, Any]:
    relevant = set(example.relevant)
    answers = list(dict.fromkeys(data.texts[text] for text in _not_retrieved(example)))
    return {
        "picture": picture_view(data, example.query, page),
        "rank": _rank(example, ranking, page),
        "retrieved": [
            {"text": data.texts[text], "right": text in relevant, "score": page.number(score)}
            for text, score in zip(example.retrieved, example.scores, strict=True)
        ],
        "answers": answers[:N_ANSWERS],
        "n_more": max(0, len(answers) - N_ANSWERS),
    }


def _not_retrieved(example: Example) -> Sequence[int]:
    """The right answers, when none of them is among the retrieved."""
    return () if set(example.relevant) & set(example.retrieved) else example.relevant


def _rank(example: Example, ranking: Ranking, page: Page) -> str:
    digits = 0 if example.rank == int(example.rank) else 1  # equal scores can put it between two ranks
    return page.t("rank_of", rank=page.number(example.rank, digits), n=page.number(ranking.gallery_size, 0))

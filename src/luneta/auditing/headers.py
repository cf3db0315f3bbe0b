"""What the names of columns say: metrics, their units, and what they were measured on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Mapping, Sequence

_USUAL = "1|3|5|10|15|20|25|30|50|100|200|500|1000"
"""A bare R is recall before these only: R2 is somebody's coefficient of determination."""
_K = r"(?P<k>[1-9]\d{0,5})"
_METRICS = (
    ("recall", rf"(?:(?:recall|hit[ _-]?rate|hits?|success|revoca[cç][aã]o)\s*(?:@|_at_|at|_|-)?|r\s*(?:@|_at_|at)"
               rf"|r[\s_-]*(?=(?:{_USUAL})(?!\d)))\s*{_K}"),
    ("mrr", rf"(?:mrr|mean[ _]reciprocal[ _]rank)(?:\s*(?:@|_)?\s*{_K})?"),
    ("ndcg", rf"ndcg\s*(?:@|_)?\s*{_K}"),
    ("map", rf"m?ap\s*(?:@|_)\s*{_K}"),
    ("median_rank", r"(?:median[ _]rank|med[ _.-]?r(?:ank)?|mdr)(?P<k>)"),
)  # fmt: skip
_NO_MEASUREMENT = re.compile(
    r"[±Δ]|\b(?:std|stdev|sd|sem|stderr|var|variance|desvio|ci|ic|interval|intervalo|low|lower|high|upper|min|max"
    r"|m[ií]n(?:imo)?|m[aá]x(?:imo)?|delta|diff\w*|difference|diferen[cç]a|gain|ganho|improvement|melhora|change"
    r"|error|erro|margin|margem|p[ -]?value|chance|acaso)\b",
    re.IGNORECASE,
)
_METRIC_WORDS = re.compile(r"\b(?:recall|revoca[cç][aã]o|metrics?|m[eé]tricas?|ranking)\b", re.IGNORECASE)


def metric_of(header: str) -> tuple[str, str] | None:
    """(metric, what stands around it) of a column's name; None for any other column, spreads and differences too.

    >>> metric_of("COCO T2I R@5 (%)")
    ('recall@5', 'COCO T2I')
    >>> metric_of("recall@1|1000") is None  # normalised to another gallery: no share of these queries
    True
    >>> metric_of("R2") is None and metric_of("R@1 std") is None
    True
    """
    name = re.sub(r"\(?[%↑↓]\)?|\(%\)", " ", header).strip()
    if "|" in name and re.search(r"@\d+\s*\|\s*\d+", name):
        return None
    for metric, pattern in _METRICS:
        found = re.search(rf"(?:^|(?<=[\s/|:_.,(\-]))(?:{pattern})(?![\w@.|^])", name, re.IGNORECASE)
        if found:
            around = name[: found.start()] + " " + name[found.end() :]
            if _NO_MEASUREMENT.search(around.replace("_", " ")):
                return None
            block = _METRIC_WORDS.sub(" ", around).strip(" \t/|:_.,()-")
            return (f"{metric}@{found['k']}" if found["k"] else metric), " ".join(block.split())
    return None


def is_top_percent(header: str) -> bool:
    """Whether a name may mean the first hundredth of the gallery: R@1% beside R@1, where places are recognised."""
    return re.search(r"@\d+%", header) is not None


def joined(lines: Sequence[Sequence[str]], flat: bool) -> tuple[str, ...]:
    """Name of every column: what its lines say, from above.

    Args:
        lines: lines of the header, equally long.
        flat: the format knows no cells that span columns (CSV, Markdown), so a name may stand over the first column of
            its group, or over the middle one, with blanks beside it.

    >>> joined([["", "COCO", "", "Flickr", ""], ["model", "R@1", "R@5", "R@1", "R@5"]], flat=True)
    ('model', 'COCO R@1', 'COCO R@5', 'Flickr R@1', 'Flickr R@5')
    """
    lines = [list(line) for line in lines]
    if flat:
        named = max((i for i, line in enumerate(lines) if any(map(metric_of, line))), default=len(lines) - 1)
        if named + 1 < len(lines):
            lines[named] = _spread(lines[named], lines[named + 1])
        lines[:named] = [_spread(line, lines[named]) for line in lines[:named]]
    return tuple(" ".join(dict.fromkeys(part for part in parts if part)) for parts in zip(*lines, strict=True))


def _spread(line: Sequence[str], last: Sequence[str]) -> list[str]:
    """A line of names of groups, each over all columns that it is meant for; as it stands where that is unclear."""
    spread = list(line)
    metrics = {c: metric for c, cell in enumerate(last) if (metric := metric_of(cell)) is not None}
    groups, alone = by_occurrence(metrics)
    columns = [
        c for c in metrics if c not in alone or c < groups[-1][-1]
    ]  # an average behind the last group is its own
    if not metrics:  # they stand above: R@1 over T2I and I2T
        first = next((c for c, cell in enumerate(line) if metric_of(cell) and last[c]), len(line))
        columns = [c for c in range(first, len(line)) if last[c]]
    if columns and line[columns[0]]:
        for before, c in itertools.pairwise(columns):
            spread[c] = line[c] or spread[before]
    elif all(sum(bool(line[c]) for c in group) == 1 for group in groups):
        for group in groups:
            name = next(line[c] for c in group if line[c])
            spread = [name if c in group else cell for c, cell in enumerate(spread)]
    return spread


def by_occurrence(metrics: Mapping[int, Hashable]) -> tuple[list[list[int]], list[int]]:
    """(groups of columns, columns that are in none): where metrics repeat, first ones go with first ones.

    Metrics that repeat less often than others may belong to any group, and so to none.

    >>> by_occurrence({1: "recall@1", 2: "recall@5", 3: "recall@1", 4: "recall@5", 5: "mrr"})
    ([[1, 2], [3, 4]], [5])
    """
    columns: dict[Hashable, list[int]] = {}
    for column, metric in metrics.items():
        columns.setdefault(metric, []).append(column)
    times = max(map(len, columns.values()), default=0)
    groups = [sorted(group) for group in zip(*(own for own in columns.values() if len(own) == times), strict=True)]
    return groups, sorted(c for own in columns.values() if len(own) < times for c in own)


_NO_DATA = re.compile(
    r"\b(?:t2i|i2t|txt2img|img2txt|t|i|texts?|textos?|images?|imag\w+|to|para|of|de|from|ir|tr|retrieval|recupera\w+|search|busca"
    r"|zero|few|shot|fine|tun\w+|finetun\w+|ft|zs|linear|probe|test\w*|val\w*|dev|train\w*|treino|split|set|top"
    r"|mean|avg|average|m[eé]dia|overall|macro|micro|all|total|ours|nosso|paper|reported|reproduced|k)\b",
    re.IGNORECASE,
)


def names_data(block: str) -> bool:
    """Whether what stands beside a metric may name data: directions, ways of training and parts of data do not.

    >>> names_data("COCO T2I"), names_data("T2I"), names_data("zero-shot, 5K")
    (True, False, False)
    """
    words = re.sub(r"_|\d+k\b", " ", block, flags=re.IGNORECASE)
    return re.search(r"[^\W\d_]", _NO_DATA.sub(" ", words)) is not None


_TEXT_TO_IMAGE = re.compile(
    r"t2i|txt2img|(?:texts?|textos?|t)\s*(?:to|2|→|->|-)\s*(?:images?|imagens?|i)\b|image retrieval", re.IGNORECASE
)
_IMAGE_TO_TEXT = re.compile(
    r"i2t|img2txt|(?:images?|imagens?|i)\s*(?:to|2|→|->|-)\s*(?:texts?|textos?|t)\b|text retrieval", re.IGNORECASE
)


def direction_of(words: str) -> str | None:
    """Which direction is named.

    >>> direction_of("COCO i→t"), direction_of("text to image"), direction_of("COCO")
    ('image_to_text', 'text_to_image', None)
    """
    words = words.replace("_", " ")
    if _IMAGE_TO_TEXT.search(words):
        return "image_to_text"
    return "text_to_image" if _TEXT_TO_IMAGE.search(words) else None


_MEAN = re.compile(
    r"(?:average|avg|mean|m[eé]dia|overall|geral|(?:macro|micro)\W*\w*|chance|random|acaso|aleat[oó]ri[oa]|expected"
    r"|esperado)(?:\W*(?:chance|guess\w*|level|baseline|average|avg|mean|m[eé]dia|geral))*\W*",
    re.IGNORECASE,
)
_OF_RUNS = re.compile(r"averaged|(?:mean|average|m[eé]dia)\s+(?:of|over|across|de|sobre)\b|\b(?:seeds|sementes|runs|"
                      r"execu[cç][oõ]es|folds)\b", re.IGNORECASE)  # fmt: skip
_SPREAD = re.compile(r"±|\+/?[-−]|\(\s*\d")


def is_mean(words: str) -> bool:
    """Whether a row's name says that its numbers are a mean or an expectation.

    >>> is_mean("Average"), is_mean("random guess"), is_mean("mean over 3 seeds"), is_mean("CLIP")
    (True, True, True, False)
    """
    return _MEAN.fullmatch(words.strip()) is not None or _OF_RUNS.search(words) is not None


def has_spread(cell: str) -> bool:
    """Whether a spread stands behind a number, as behind means of several runs."""
    return _SPREAD.search(cell) is not None

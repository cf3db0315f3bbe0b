"""What the names of columns say: metrics, their units, and what they were measured on."""

from __future__ import annotations

import re

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

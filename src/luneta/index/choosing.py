"""Which kind of index serves best, by the number of vectors, the memory for them and the recall that is wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from luneta.errors import ConfigError
from luneta.wording import Messages, translator_of, written

Kind = Literal["exact", "hnsw", "ivf-sq8", "ivf-pq"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""From the surest and largest to the smallest; each approximate one needs less memory than the one before."""

EXACT_BYTES = 200 * 2**20
"""Vectors that one query may read: 102 400 of 512 dimensions, some ten milliseconds (docs/benchmarks.md)."""
SHARE = 0.5  # of the memory that is free, for one index
PQ_RECALL = 0.98  # product quantisation keeps too little for more, however many candidates are scored again

CHOICES: Messages = {
    "index_exact_small": (
        "Exact search: a query reads all {n} vectors ({mib} MiB) in some milliseconds, finds everything, and there is "
        "nothing to build.",
        "Busca exata: uma consulta lê todos os {n} vetores ({mib} MiB) em alguns milissegundos, encontra tudo e não há "
        "nada a construir.",
    ),
    "index_exact_recall": (
        "Exact search: only it reaches a recall of {recall}.",
        "Busca exata: só ela alcança um recall de {recall}.",
    ),
    "index_fits": (
        "{kind}: {n} vectors are too many to be read at every query, and of the indexes that need not more than "
        "{budget} MiB it is the fastest at a recall of {recall}: about {mib} MiB.",
        "{kind}: {n} vetores são muitos para serem lidos a cada consulta e, dos índices que não precisam de mais de "
        "{budget} MiB, é o mais rápido com um recall de {recall}: cerca de {mib} MiB.",
    ),
    "index_smallest": (
        "{kind}: no index of {n} vectors fits into {budget} MiB; it needs least, about {mib} MiB.",
        "{kind}: nenhum índice de {n} vetores cabe em {budget} MiB; é o que menos precisa, cerca de {mib} MiB.",
    ),
    "index_asked": ("{kind}: as asked for.", "{kind}: como foi pedido."),
    "index_missed": (
        "{kind}: {before} missed a recall of {recall}, so that the next surer kind was taken.",
        "{kind}: {before} não alcançou um recall de {recall}, e por isso foi usado o tipo seguinte, mais seguro.",
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind, and why.

    Attributes:
        kind: of the index.
        reason: name of the message that says why.
        facts: what it says.
    """

    kind: Kind
    reason: str
    facts: Mapping[str, int | float | str]

    def sentence(self, locale: str = "en") -> str:
        """Why, in a sentence.

        >>> print(choose(5000, 512, memory_mib=100).sentence("pt-BR").split(":")[0])
        Busca exata
        """

        def shown(value: int | float | str) -> str:
            if isinstance(value, str):
                return value
            return written(f"{value:,}" if isinstance(value, int) else f"{value:g}", locale)

        t = translator_of(locale, CHOICES)
        return t(self.reason, **{name: shown(value) for name, value in self.facts.items()})


def choose(n: int, dim: int, *, recall: float = 0.95, memory_mib: float | None = None) -> Choice:
    """The kind of index for n vectors.

    Args:
        n, dim: how many vectors there are, and their dimension.
        recall: share of the true first ten that must be found.
        memory_mib: that the index may take; None takes half of what is free. Vectors themselves stay on the disk and
            count for exact search only, which reads all of them.

    Raises:
        ConfigError: numbers out of range.
    """
    if not 0 < recall <= 1:
        raise ConfigError(f"recall is {recall}; expected more than 0, at most 1")
    budget = free_mib() * SHARE if memory_mib is None else memory_mib
    if not budget > 0:
        raise ConfigError(f"memory_mib is {memory_mib}; expected a positive number of mebibytes")
    vectors = memory_of("exact", n, dim)
    if vectors * 2**20 <= EXACT_BYTES:
        return Choice("exact", "index_exact_small", {"n": n, "mib": _whole(vectors)})
    if recall == 1:
        return Choice("exact", "index_exact_recall", {"recall": recall})
    for kind in KINDS[1:]:
        needed = memory_of(kind, n, dim)
        if needed <= budget and not (kind == "ivf-pq" and recall > PQ_RECALL):
            facts = {"kind": kind, "n": n, "budget": _whole(budget), "recall": recall, "mib": _whole(needed)}
            return Choice(kind, "index_fits", facts)
    needed = memory_of("ivf-pq", n, dim)
    return Choice(
        "ivf-pq", "index_smallest", {"kind": "ivf-pq", "n": n, "budget": _whole(budget), "mib": _whole(needed)}
    )


def asked(kind: Kind) -> Choice:
    """The kind that somebody named."""
    return Choice(kind, "index_asked", {"kind": kind})


def surer(choice: Choice, recall: float, n: int, dim: int, memory_mib: float | None) -> Choice | None:
    """The next surer kind that fits into the memory, after one has missed the recall; None where there is none."""
    budget = free_mib() * SHARE if memory_mib is None else memory_mib
    for kind in reversed(KINDS[: KINDS.index(choice.kind)]):
        if memory_of(kind, n, dim) <= budget:
            return Choice(kind, "index_missed", {"kind": kind, "before": choice.kind, "recall": recall})
    return None


def memory_of(kind: Kind, n: int, dim: int) -> float:
    """MiB that searches of n vectors touch, about; a small share more while it is built."""
    of_one = {
        "exact": 4 * dim + 8,
        "hnsw": dim + 4 * 32 * 1.04 + 28,  # vector, links, numbers of a node
        "ivf-sq8": dim + 8,
        "ivf-pq": dim / 8 + 8,
    }
    return n * of_one[kind] / 2**20


def free_mib() -> float:
    """Memory that new work can have without swapping."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) / 1024
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 / 2
    except (AttributeError, ValueError, OSError):
        return 2048.0  # nobody says


def _whole(mib: float) -> int:
    return max(1, round(mib))

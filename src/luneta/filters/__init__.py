"""Conditions on metadata columns, as people write them: ``style = 'Impressionism' and year < 1900``.

One small language with three readings: a mask over a table in memory, a pyarrow expression, a Milvus expression.
All three choose the same rows. Nothing is ever evaluated as code.

===================================  ==========================================================================
``year < 1900``                      ``=`` or ``==``, ``!=`` or ``<>``, ``<``, ``<=``, ``>``, ``>=``
``style in ('Cubism', 'Dada')``      any of these; ``not in`` none of them
``year between 1880 and 1900``       both ends included; ``not between`` outside of them
``title like 'The %'``               ``%`` is any run of characters, ``_`` any one, a backslash before them
                                     takes them as they are; upper and lower case differ; ``not like``
``tags contains 'sea'``              for columns of lists of strings: one of them is this; ``not contains``
``painter is null``                  nothing is known; ``is not null`` something is
``not``, ``and``, ``or``, ``( )``    in this order of strength
===================================  ==========================================================================

Names of columns stand bare, in ``"double quotes"`` or in backticks (doubled inside: ``""``); text in 'single quotes'
(doubled inside: ``''``); numbers as ``-3``, ``0.5``, ``1e6``; ``true`` and ``false``; dates and times as text in ISO
8601, ``'1889-06-18'`` or ``'2024-01-31T12:30:00Z'``, where no zone is said in UTC. Text is ordered by code point.

Nulls are SQL's: a comparison with nothing is neither true nor false but unknown, ``not`` unknown is unknown, ``and``
and ``or`` are unknown unless the known part decides, and a row is chosen where the whole is true. So ``style !=
'Cubism'`` and ``not style = 'Cubism'`` both leave out rows without a style. NaN counts as nothing.
"""

from __future__ import annotations

from luneta.filters.milvus import milvus_name
from luneta.filters.reading import parse_filter, quoted_name, quoted_text
from luneta.filters.tree import Filter

__all__ = ["Filter", "milvus_name", "parse_filter", "quoted_name", "quoted_text"]

"""What the pages refuse in words of their own."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """Something was asked that a page answers with a sentence.

    Args:
        name: of the message.
        parameters: of it.
    """

    def __init__(self, name: str, /, **parameters: Any) -> None:
        super().__init__(name)
        self.name, self.parameters = name, parameters

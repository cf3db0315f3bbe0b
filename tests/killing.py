"""Jobs that are struck dead at a chosen place: each run is a fork, so that libraries are imported once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


def struck_at(place: tuple[Any, str], turn: int, signal_number: int) -> None:
    """This process gets a signal when it comes to a place, the attribute of an owner, for the nth time."""
    owner, name = place
    proper, calls = getattr(owner, name), []

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == turn:
            os.kill(os.getpid(), signal_number)
        return proper(*args, **kwargs)

    setattr(owner, name, deadly)


def forked(task: Callable[[], Any]) -> int:
    """The exit status of a task in a process of its own; negative where a signal ended it."""
    process = os.fork()
    if process == 0:
        try:
            task()
        except SystemExit as stop:
            os._exit(stop.code or 0)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - whatever it was, the parent must not go on twice
            print(type(error), error, file=sys.stderr)
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

"""serving_process.py FOLDER: for each line it reads, fork a server of the bundle and say its number and address.

Forking an interpreter that has imported everything takes milliseconds, so that servers can be killed by the dozen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn

import serving
from luneta.serving import Settings, create_app
from luneta.serving.running import _listening


def serve(folder: Path) -> None:
    settings = Settings(port=0)
    listener = _listening(settings)
    app = create_app({folder.stem: serving.searcher(folder)}, settings)
    print(os.getpid(), f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none")).run([listener])


if __name__ == "__main__":
    for _ in sys.stdin:
        if os.fork() == 0:
            try:
                serve(Path(sys.argv[1]))
            finally:
                os._exit(0)

"""A lock that a child of a fork finds free."""

from __future__ import annotations

import os
import threading


class Lock:
    """As `threading.Lock` in a `with`.  The child of a fork has a new one: who held it is not there to let it go."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self.__init__()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

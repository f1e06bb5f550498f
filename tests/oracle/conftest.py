"""Oracle tests that run on the CPU backend compile into the session's own cache, as backend tests do."""

from tests.backend.conftest import kernel_cache

__all__ = ["kernel_cache"]

"""How many requests may search at the same time."""

from types import TracebackType

from server.web.errors import overloaded


class Admission:
    """A door for `limit` requests. What finds it full is refused at once: waiting would eat its deadline."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = 0

    def __enter__(self) -> None:
        if self._inside >= self._limit:
            raise overloaded("The server is at its limit of concurrent requests.", "search_overloaded")
        self._inside += 1

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._inside -= 1

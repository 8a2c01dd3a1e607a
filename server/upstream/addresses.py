"""Where the replicas are said to be."""

from dataclasses import dataclass

from yarl import URL


@dataclass(frozen=True, slots=True)
class Address:
    """A fixed base URL, or with `dynamic` a name that stands for as many replicas as it has addresses."""

    url: URL
    dynamic: bool

    @classmethod
    def parse(cls, source: str) -> "Address":
        """Read "http://host:8000", "https://host/base", or "dns+http://name:8000"; a final /v1 is dropped.

        Raises ValueError, naming the source, for anything else.
        """
        dynamic = source.startswith("dns+")
        try:
            url = URL(source.removeprefix("dns+"))
        except ValueError as error:
            raise ValueError(f"{source!r} is no URL: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(f"{source!r} is no base URL such as http://host:8000")
        if dynamic and url.scheme != "http":
            raise ValueError(f"{source!r}: only http goes with dns+, as certificates do not name addresses")
        path = url.path.rstrip("/").removesuffix("/v1").rstrip("/")
        return cls(url.with_path(path), dynamic)

    def at(self, host: str) -> str:
        """Return the base URL of the replica at the IP address `host`."""
        return str(self.url.with_host(host)).rstrip("/")

    def __str__(self) -> str:
        return str(self.url).rstrip("/")

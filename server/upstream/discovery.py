"""Finding replicas: fixed ones, and those behind a name such as a headless service's."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from .addresses import Address

_log = logging.getLogger(__name__)
_PERIOD = 5.0  # seconds


class Discovery:
    """Tells `update` the base URLs behind `addresses`, and again whenever a name stands for others.

    A name that cannot be resolved keeps the replicas it had: health checks know whether these are there.
    """

    def __init__(
        self, addresses: Sequence[Address], update: Callable[[Iterable[str]], None], period: float = _PERIOD
    ) -> None:
        self._addresses, self._update, self._period = addresses, update, period
        self._found: dict[Address, tuple[str, ...]] = {
            address: () if address.dynamic else (str(address),) for address in addresses
        }
        self._unknown: set[Address] = set()

    async def once(self) -> None:
        """Ask for every name once."""
        await asyncio.gather(*(self._resolve(address) for address in self._addresses if address.dynamic))
        self._update(chain.from_iterable(self._found.values()))

    async def run(self) -> None:
        """Ask again and again; never, where there are no names."""
        while any(address.dynamic for address in self._addresses):
            await asyncio.sleep(self._period)
            await self.once()

    async def _resolve(self, address: Address) -> None:
        host = address.url.host or ""
        try:
            async with asyncio.timeout(self._period):
                self._found[address] = tuple(sorted({address.at(ip) for ip in await _addresses(host)}))
        except (OSError, ValueError) as error:
            if address not in self._unknown:
                _log.warning("%s cannot be resolved, it will be tried again: %s", host, error or type(error).__name__)
            self._unknown.add(address)
        else:
            self._unknown.discard(address)


async def _addresses(host: str) -> list[str]:
    """Return the IPv4 addresses of a name, or its IPv6 ones where it has no others: a server may have one of each."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    family = min(entry[0] for entry in found)
    return [str(entry[4][0]) for entry in found if entry[0] == family]

"""Which replica gets a call: rendezvous hashing with bounded loads."""

from collections.abc import Sequence
from hashlib import blake2b
from random import Random

from .options import PoolOptions
from .replica import Replica


def preference(key: bytes, replicas: Sequence[Replica]) -> list[Replica]:
    """Order replicas as `key` likes them.

    Rendezvous hashing (Thaler and Ravishankar 1998): when a replica leaves, only the keys that liked it best move, and
    when one joins, only those that now like it best.
    """
    return sorted(replicas, key=lambda replica: blake2b(key, key=replica.salt, digest_size=8).digest())


def pick(replicas: Sequence[Replica], key: bytes, samples: int, options: PoolOptions, random: Random) -> Replica:
    """Choose one of `replicas`, which are not empty, for `samples` samples.

    With affinity it is the first in the key's preference whose load stays within the bound of consistent hashing with
    bounded loads (Mirrokni et al. 2016, arXiv 1608.01350): `spill` times the mean, but never less than `slots`, below
    which a replica has room. Where the call is too large for all of them, and without affinity, it is the least loaded.
    """
    if len(replicas) == 1:
        return replicas[0]
    if not options.affinity:
        return min(replicas, key=lambda replica: (replica.load, random.random()))
    ranked = preference(key, replicas)
    mean = (sum(replica.load for replica in replicas) + samples) / len(replicas)
    bound = max(options.slots, options.spill * mean)
    fitting = (replica for replica in ranked if replica.load + samples <= bound)
    return next(fitting, None) or min(ranked, key=lambda replica: replica.load)

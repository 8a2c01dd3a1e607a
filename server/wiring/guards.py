"""From settings to what stands before the models: keys, quotas, admission."""

from math import ceil

from server.admission import Admission
from server.keys import Keyring, LocalQuota, Quota, RedisQuota
from server.settings import Settings


def keyring_of(settings: Settings) -> Keyring | None:
    """Return the keys; None where nobody is asked for one. Raises ValueError for a file that cannot be used."""
    return Keyring.read(settings.keys) if settings.keys else None


def quota_of(settings: Settings) -> Quota:
    """Return the books of what keys have used: in this process, or shared in Redis. Raises ValueError."""
    return RedisQuota.from_url(settings.redis.get_secret_value()) if settings.redis else LocalQuota()


def admission_of(settings: Settings) -> Admission:
    """Return the door of one process: each of several has its share of what the server can do."""
    share = settings.workers
    return Admission(
        capacity=ceil(settings.capacity / share),
        requests=ceil(settings.max_concurrency / share),
        waiting=ceil(settings.max_queue / share),
        patience=settings.queue_seconds,
    )

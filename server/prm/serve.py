"""The scoring service's composition root: from settings to a process that serves."""

from collections.abc import Callable
from importlib.util import find_spec

from fastapi import FastAPI

from server.calibration import load_calibration
from server.settings import PrmSettings
from server.upstream import Pool, PoolOptions
from server.web.process import Server, config_of, start_log, version
from server.web.readiness import Readiness

from .app import Service, create_app
from .batching import BatchLimits
from .families import load_family
from .hosts.ratio import RatioHost
from .hosts.vllm import VllmHost
from .loading import Loading
from .metrics import Metrics
from .ports import Family, Host

_REMOTE_LANES = 4
"""Batches under way on a model server, which batches once more by itself. In process there is one model to compute."""


def build(settings: PrmSettings) -> tuple[FastAPI, Readiness]:
    """Return the application, and what says whether its model is loaded.

    Tokenizer and calibration are read here, the model is loaded beside the server. Raises ValueError for settings
    that make no sense.
    """
    calibration = {"calibration": load_calibration(settings.calibration)} if settings.calibration else {}
    family = load_family(settings.family, settings.model, **calibration)
    if (settings.family == "log-ratio") is not bool(settings.reference):
        raise ValueError("the family 'log-ratio' needs 'reference', and no other family takes it")
    metrics = Metrics(version())
    loading = Loading(family, _hosts(settings, family), limits_of(settings), metrics)
    return create_app(Service(settings.served, version(), loading, metrics)), loading.readiness


def limits_of(settings: PrmSettings) -> BatchLimits:
    """Return the numbers that bound the batches and the queue."""
    return BatchLimits(
        items=settings.max_batch_items,
        tokens=settings.max_batch_tokens,
        wait=settings.max_wait_ms / 1000.0,
        queue_tokens=settings.max_queue_tokens,
        lanes=_REMOTE_LANES if settings.host == "vllm" else 1,
        shared=settings.host != "vllm",
        read_seconds=settings.max_read_seconds,
    )


def serve(settings: PrmSettings, announce: Callable[[str], None]) -> None:
    """Serve until a signal to stop; then finish what is under way. `announce` is told the address once it is open."""
    start_log(settings.log_level)
    app, readiness = build(settings)
    config = config_of(
        app, settings.listen_host, settings.listen_port, settings.log_level, longest=settings.max_read_seconds
    )
    Server(config, readiness, settings.drain_seconds, announce).run()


def _hosts(settings: PrmSettings, family: Family) -> Callable[[], Host]:
    """Return what makes a host, new at each attempt to load the model."""
    if settings.host == "vllm":
        one = _remote(settings, family)
    elif find_spec("torch") and find_spec("transformers"):
        one = _in_process(settings, family)
    else:
        raise ValueError("host 'transformers' needs torch and transformers: pip install 'cogitate[prm]'")
    main = settings.backend or settings.model
    reference = settings.reference
    return (lambda: RatioHost(one(main), one(reference))) if reference else (lambda: one(main))


def _remote(settings: PrmSettings, family: Family) -> Callable[[str], Host]:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    options = PoolOptions(affinity=False, api_key=key)
    # Half of the time, so that some is left for the passages one by one.
    seconds = settings.max_read_seconds / 2
    return lambda url: VllmHost(Pool(f"vLLM at {url}", [url], options=options), family.head, seconds=seconds)


def _in_process(settings: PrmSettings, family: Family) -> Callable[[str], Host]:
    from .hosts.transformers import TransformersHost, TransformersOptions, check_device

    check_device(settings.device)
    options = TransformersOptions(
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        context=settings.context,
        cache_tokens=settings.cache_tokens,
        memory_share=0.25 if settings.reference else 0.5,  # two models share the memory
    )
    return lambda model: TransformersHost(model, family.head, options)

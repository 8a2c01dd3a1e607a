"""The fake vLLM with more of vLLM's metrics: all that dashboards and rules ask for.

`python -m tests.monitoring.replica PORT`. Their names and labels are vLLM 0.33's; what is not counted by the fake has
plausible values.
"""

import asyncio
import signal
import sys

from aiohttp import web

from tests.chaos.replica import Replica

_HISTOGRAMS = {
    "vllm:time_to_first_token_seconds": 0.06,
    "vllm:request_queue_time_seconds": 0.01,
    "vllm:inter_token_latency_seconds": 0.02,
}
_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0)


class Measured(Replica):
    """A replica that is measured as the real one is."""

    async def _metrics(self, _: web.Request) -> web.Response:
        text = (await super()._metrics(_)).text or ""
        labels = f'engine="0",model_name="{self.name}"'
        usage = min(1.0, 0.05 + self.running / 64)
        text += f"# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{{{labels}}} {usage}\n"
        text += f"# TYPE vllm:num_preemptions_total counter\nvllm:num_preemptions_total{{{labels}}} 0.0\n"
        calls = self.stats["calls"]
        for name, typical in _HISTOGRAMS.items():
            text += f"# TYPE {name} histogram\n"
            for bound in (*_BUCKETS, float("inf")):
                below = calls if bound >= typical else 0
                text += f'{name}_bucket{{{labels},le="{"+Inf" if bound > 1 else bound}"}} {below}.0\n'
            text += f"{name}_count{{{labels}}} {calls}.0\n{name}_sum{{{labels}}} {calls * typical}\n"
        return web.Response(text=text)


async def _main(port: int) -> None:
    ended, replica = asyncio.Event(), Measured()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await replica.start(port)
    await ended.wait()
    await replica.aclose()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))

"""One of several workers: counts the requests it is told of on its input, and exposes what all have counted.

`count N` counts N requests and leaves one under way; `show` answers with an exposition, a line of JSON.
"""

import json
import sys

from server.observers.metrics import Metrics

from .test_metrics import ANSWERED


def main() -> None:
    """Obey until the input ends."""
    metrics = Metrics("1")
    metrics.serves("math", "calibrated", "ab12")
    counts = metrics.replicas.pool("math", "generator")
    for line in sys.stdin:
        order, _, number = line.strip().partition(" ")
        if order == "count":
            for _ in range(int(number)):
                metrics.started()
                metrics.ended(ANSWERED)
            metrics.started()
            metrics.door.seen(load=int(number), waiting=1, capacity=100)
            counts.seen({"up": int(number)})
            counts.died()
            metrics.replicas.seen("math", up=int(number) < 5)
        sys.stdout.write(json.dumps(metrics.exposed().decode()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

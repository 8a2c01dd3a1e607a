"""Upper bounds of histograms, in base units."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Requests and calls: from a cached greedy answer to a long search."""

WAITS = (0.001, 0.0025, *SECONDS[:15])
"""Waiting for one's turn."""

OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""What the gateway itself takes."""

COUNTS = tuple(2.0**k for k in range(11))
"""Samples and candidates: 1 to 1024."""

TOKENS = tuple(4.0**k for k in range(2, 13))
"""16 to 16.8 million."""

RATIOS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

"""Property tests draw the same examples on every run: a failure can be repeated by whoever sees it."""

from hypothesis import settings

settings.register_profile("router", derandomize=True, deadline=None)
settings.load_profile("router")

"""What one request to the scoring service may hold, for both its sides."""

MOST_ITEMS = 1024
MOST_STEPS = 512
MOST_BYTES = 16 * 2**20
"""The largest body."""

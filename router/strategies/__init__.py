"""One file, one strategy, one paper."""

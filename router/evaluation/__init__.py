"""Offline: what a way of thinking is worth, and how sure we can be of it."""

"""Adapts the router to the world: HTTP on one side, models on the other."""

"""Dashboards and rules, read as data and tried on a real Prometheus."""

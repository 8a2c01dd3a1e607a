"""Decides how to think about a question, and thinks: pure, no web framework, HTTP client or model library."""

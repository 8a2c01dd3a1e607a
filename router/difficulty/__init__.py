"""How hard a question is, from what its first samples show."""

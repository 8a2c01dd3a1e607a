"""The server's own door: how much compute is under way at once, who waits for it, and who is turned away."""

from .door import Admission
from .ticket import Entry, Shed, Ticket

__all__ = ["Admission", "Entry", "Shed", "Ticket"]

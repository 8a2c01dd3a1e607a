"""Whether two answers are the same answer, in mathematics as well as in spelling; decided away from the event loop."""

from .grader import Grader
from .verdict import GraderOptions, Verdict

__all__ = ["Grader", "GraderOptions", "Verdict"]

"""The public names, for type checkers and editors."""

from lineage.asking.run import answer as answer
from lineage.asking.run import ask as ask
from lineage.auditing.run import audit as audit
from lineage.auditing.shortlist import search as search
from lineage.detector.file import LineageDetector as LineageDetector
from lineage.errors import UserError as UserError
from lineage.genealogy.run import tree as tree
from lineage.similarity.measures import SIMILARITIES as SIMILARITIES
from lineage.similarity.score import score_pair as score_pair

__all__ = [
    "SIMILARITIES",
    "LineageDetector",
    "UserError",
    "answer",
    "ask",
    "audit",
    "score_pair",
    "search",
    "tree",
]

"""Common Vulnerability Scoring System: vectors to scores, versions 2, 3.0, 3.1 and 4.0."""

from rafsight.matching.cvss.score import CvssScore, score_vector

__all__ = ["CvssScore", "score_vector"]

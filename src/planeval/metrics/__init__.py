"""Metrics: the text grammar, and what each metric measures on sampled dose."""

from planeval.metrics.grammar import parse

__all__ = ["parse"]

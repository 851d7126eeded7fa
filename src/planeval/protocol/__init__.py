"""Protocols: constraint files, name matching, and the judgement of a case."""

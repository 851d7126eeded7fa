"""Dose on structures: sampling, cumulative DVHs and what they say."""

"""Targets: the margins that a plan's targets have."""

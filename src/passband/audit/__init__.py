"""Auditing a model somebody already has."""

"""Audits as pictures and pages."""

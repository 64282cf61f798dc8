"""Detectors: what they find in whole images and in components of them, and how good that is."""

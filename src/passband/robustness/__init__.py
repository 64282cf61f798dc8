"""What the use of frequencies means for robustness."""

"""Training runs, one by one and many at once: it knows what a run is, and nothing of studies."""

"""Results on disk: one run, one folder."""

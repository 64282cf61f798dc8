"""Image classifiers: built here, or loaded from elsewhere, as functions of [0, 1] pixels."""

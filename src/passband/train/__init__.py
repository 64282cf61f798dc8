"""Training an image classifier."""

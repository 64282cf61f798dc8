"""What a model does with the components of images."""

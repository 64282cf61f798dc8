"""What can be measured of a network and its images, one module each."""

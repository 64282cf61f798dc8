"""A page on which the radius is moved and everything follows: served on this machine, or exported as static files."""

"""Images and their spatial frequencies: splits, spectra, amplitude policies, traces of compression."""

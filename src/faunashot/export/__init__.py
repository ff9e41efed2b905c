"""A trained system as one file, from a waveform to probabilities, for devices without Python."""

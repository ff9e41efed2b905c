"""Fixed signal processing: samples to spectrograms and their statistics."""

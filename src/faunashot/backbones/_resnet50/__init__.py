"""What the networks of photographs that see spectrograms have in common."""

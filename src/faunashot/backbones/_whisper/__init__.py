"""What the encoders of Whisper have in common."""

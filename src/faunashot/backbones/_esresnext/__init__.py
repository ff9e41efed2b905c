"""What ESResNeXt-fbsp and the audio branch of AudioCLIP have in common."""

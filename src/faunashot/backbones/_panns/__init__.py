"""What the PANNs have in common."""

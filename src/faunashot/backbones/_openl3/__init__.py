"""What the networks of OpenL3 have in common."""

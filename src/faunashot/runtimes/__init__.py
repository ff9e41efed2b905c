"""Where networks run, and where their published files come from."""

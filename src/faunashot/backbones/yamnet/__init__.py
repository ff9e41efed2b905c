"""YAMNet: the published model, its network, and its variables."""

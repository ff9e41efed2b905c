"""How networks are trained: batches, losses, checkpoints, and what they share as estimators."""

"""Published weights: where they are, and what tensors they hold."""

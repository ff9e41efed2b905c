"""Which clips may be learned from and which are scored."""

"""``faunashot suggest``."""
def suggest() -> None:
    """x"""

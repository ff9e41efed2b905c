"""What a trained system can be written as: one module a format."""

from faunashot.export.formats.base import FORMATS

__all__ = ["FORMATS"]

"""What a trained system can be written as: one module a format."""

from faunashot.export.formats.base import MODEL_FORMATS

__all__ = ["MODEL_FORMATS"]

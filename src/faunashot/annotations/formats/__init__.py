"""The file formats of events: a module each, found by itself.

To add one, write a module here that holds one subclass of `base.AnnotationFormat`, or give it from
another package as an entry point of the group ``faunashot.annotations.formats``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.annotations.formats.base import AnnotationFormat

ANNOTATION_FORMATS: Registry[AnnotationFormat] = Registry(
    "format",
    "faunashot.annotations.formats",
    contract="faunashot.annotations.formats.base:AnnotationFormat",
)

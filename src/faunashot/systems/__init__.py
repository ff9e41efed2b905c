"""The named systems, and a trained one as an object."""

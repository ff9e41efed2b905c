"""Recordings to embeddings on disk: cut, embedded, stored, joined; by one machine or many."""

"""Pretrained networks that turn windows of audio into embeddings, and where they run."""

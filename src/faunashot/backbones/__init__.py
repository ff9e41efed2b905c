"""Pretrained networks that turn windows of audio into embeddings, and the store of these."""

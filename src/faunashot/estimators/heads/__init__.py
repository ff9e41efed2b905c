"""Heads: what learns from frozen features."""

"""Anything that learns labels from features."""

"""Detections against annotations: what was found, what was missed, and what was not there."""

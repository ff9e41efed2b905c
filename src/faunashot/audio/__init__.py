"""Recordings to samples and windows, and sounds made from nothing."""

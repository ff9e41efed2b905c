"""Backbones that are declared in a YAML file, and run as their publishers give them."""

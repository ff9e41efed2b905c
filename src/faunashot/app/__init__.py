"""The page to try a model on: a recording with its events, and detections to review."""

from __future__ import annotations

from pathlib import Path


def page_file() -> Path:
    """The script that Streamlit runs."""
    return Path(__file__).with_name("page.py")

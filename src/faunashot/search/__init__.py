"""Similar sounds in any number of recordings, which to label next, and when to stop."""

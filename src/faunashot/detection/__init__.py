"""Events in recordings of any length: scores of windows become a table that Raven opens."""

"""Events in recordings, found by a model or marked by a person, and the files that hold them."""

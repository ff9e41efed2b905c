"""Which scores can be trusted: detections that are checked by ear, before and after."""

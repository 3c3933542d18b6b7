"""The main job, end to end, on the embedded sandbox."""

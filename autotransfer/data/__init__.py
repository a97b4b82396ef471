"""Images as people have them: opened, checked, divided and brought to size."""

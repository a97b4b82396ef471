"""Sounds: read, checked, compared, and prepared for a source."""

"""Trained answers that can be saved and restored without pickle."""

"""Where models that version 0.1.0 has logged to MLflow look for the decoder."""

from autotransfer.data.images.decoding import decode_image as decode_picture

__all__ = ["decode_picture"]

"""What is about pixels: decoding, preparing, augmented views, look-alikes."""

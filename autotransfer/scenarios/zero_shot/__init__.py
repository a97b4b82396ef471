"""The zero-shot scenario: classes without images, known by their attributes alone."""

"""The described setting: classes without pictures, known by their attributes alone."""

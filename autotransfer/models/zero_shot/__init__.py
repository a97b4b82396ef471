"""Linear maps from features to attributes, with closed forms for classes left out."""

"""Sources of texts: encoders of `transformers`, static embeddings, and a small network."""

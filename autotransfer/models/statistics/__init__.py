"""What transferability scores need of features and labels, computed once."""

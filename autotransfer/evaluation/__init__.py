"""How predictors are scored."""

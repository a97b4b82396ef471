"""Sources and what is made of them: networks, features, heads and predictors."""

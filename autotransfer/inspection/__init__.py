"""Looking at sources and targets outside a fit: compare, distance, layer curve."""

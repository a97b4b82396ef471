"""How accuracy grows with labels: measured on fewer labels, told forward with an interval."""

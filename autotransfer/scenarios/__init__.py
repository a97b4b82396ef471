"""How a target is posed, and what a fit does differently because of it."""

"""What to label next, the page to label it on, and what comes back."""

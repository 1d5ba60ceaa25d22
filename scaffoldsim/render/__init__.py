"""A Run to pictures."""

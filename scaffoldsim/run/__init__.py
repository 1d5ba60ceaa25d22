"""Time, and what is written."""

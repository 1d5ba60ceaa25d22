"""Geometry and material of a scaffold."""

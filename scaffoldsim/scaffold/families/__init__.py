"""Families: each turns a unit cell into a periodic scalar field."""

"""Numerics on voxels and graphs: no biology."""

"""Numerics on voxels: no biology."""

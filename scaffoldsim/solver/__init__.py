"""Numerics on voxels: no biology."""

import os

# A spinning OpenMP worker on a busy machine makes a solve of 0.1 s last 2 s; libgomp reads this
# once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

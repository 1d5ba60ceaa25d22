"""The state of the simulation and one step of it."""

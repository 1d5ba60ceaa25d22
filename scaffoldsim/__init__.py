"""scaffoldsim."""

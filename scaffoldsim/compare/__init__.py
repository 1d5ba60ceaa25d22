"""Runs to judgement."""

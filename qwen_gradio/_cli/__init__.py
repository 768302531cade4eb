"""Helpers for the commands in `cli`."""

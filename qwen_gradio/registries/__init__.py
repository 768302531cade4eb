"""Adapters to other libraries, a file for each. No adapter imports another."""

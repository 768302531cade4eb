"""One short file for each registry that people already use; none imports another."""

"""One file for each supported registry; none of them imports another."""

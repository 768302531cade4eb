"""What the commands in `cli` are made of."""

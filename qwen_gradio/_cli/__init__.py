"""Parts of the commands in `cli`."""

"""How fast this package is, next to other ways to read a reply: see README.md."""

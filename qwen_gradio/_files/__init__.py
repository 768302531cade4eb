"""Files that go with a question (`reading`, `attachments`), and links to those of a reply."""

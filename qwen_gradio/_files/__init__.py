"""Files that go with a question (`reading`, `attachments`) or come with a reply (`downloads`)."""

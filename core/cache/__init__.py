"""What is kept on disk: under keys of its content, written whole or not at all, read again only where it is intact."""

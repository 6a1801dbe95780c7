"""Files that are not trusted: what they are, and what is in them, without running anything."""

"""Files that nobody vouches for: what they are, and what is in them, without running anything."""

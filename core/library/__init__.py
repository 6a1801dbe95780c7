"""The checkpoints that are available: shipped and dropped in, and what is known of each."""

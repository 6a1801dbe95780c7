"""The checkpoints that are at hand: shipped and dropped in, and what is known of each."""

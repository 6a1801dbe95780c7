"""The available checkpoints, shipped and uploaded, and facts about them."""

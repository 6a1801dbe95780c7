"""What a model was trained on, how far a clip lies from it, and what that says of an answer."""

"""What a checkpoint knows of its training data: how far a clip is from it, and how reliable an answer is."""

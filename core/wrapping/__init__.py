"""Networks that are not ours, as models of ours: whatever a plugin wraps, without a line of it changed."""

"""What turns sound and picture into features."""

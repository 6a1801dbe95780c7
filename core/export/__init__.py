"""What is taken out of the app: annotated video and picture, lanes as a table."""

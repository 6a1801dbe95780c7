"""The user's notes on cases, and the report made of them."""

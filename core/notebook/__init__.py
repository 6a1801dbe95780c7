"""What a person notes of cases, and the report made of it."""

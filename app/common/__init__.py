"""What all pages share: the selection in the URL, jobs, choices, the player's place."""

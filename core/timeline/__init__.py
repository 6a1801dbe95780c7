"""What the player draws: pictures, lanes and events on the clip's clock."""

"""The player's content: pictures, lanes and events on the clip's clock."""

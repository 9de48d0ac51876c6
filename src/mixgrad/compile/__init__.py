"""Floor 3: running programs."""

"""Where providers tell what became of the letters: one address each, POST only."""

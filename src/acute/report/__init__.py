"""The page and the terminal summary."""

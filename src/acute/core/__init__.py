"""Every formula once: numpy only."""

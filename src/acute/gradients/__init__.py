"""Gradient engines: the only part that knows parameters."""

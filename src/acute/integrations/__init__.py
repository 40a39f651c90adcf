"""Plug-ins for trainers that have a hook for advantages."""

"""Checking responses."""

"""What runs inside the sandbox: standard library only, Python's own start-up time counted in every import."""

"""A module that says by itself what it lacks."""

raise ModuleNotFoundError("please pip install foo")

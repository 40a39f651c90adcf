"""These tests call the installed TRL and verl; they run in an environment of their own (`make test`)."""

from importlib.util import find_spec

if find_spec("verl") is None:
    collect_ignore_glob = ["*"]

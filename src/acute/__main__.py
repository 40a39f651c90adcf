"""`python -m acute` is the command `acute`."""

import sys

from acute.cli.stopping import Stopped, listen


def main() -> None:
    """The command; a signal is heard before anything else is loaded."""
    try:
        listen()
        from acute.cli.main import main as command

        command()
    except Stopped as stop:
        print(f"acute: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)


if __name__ == "__main__":
    main()

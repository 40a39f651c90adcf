"""`python -m acute` is the command `acute`."""

from acute.cli.main import main

if __name__ == "__main__":
    main()

"""``python -m affekt``: the command."""

from affekt.cli import main

if __name__ == "__main__":
    main()

"""``python -m tamis``: the same as the ``tamis`` command."""

from tamis.cli import main

if __name__ == "__main__":
    main()

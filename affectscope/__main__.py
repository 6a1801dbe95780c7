"""`python -m affectscope`."""

from affectscope.core.cli import main

if __name__ == "__main__":
    main()

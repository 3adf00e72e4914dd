"""`python -m rafsight`."""

from rafsight.interfaces.cli import main

if __name__ == "__main__":
    main()

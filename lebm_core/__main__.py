"""`python -m lebm_core` is `lebm`."""

from lebm_core.run.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

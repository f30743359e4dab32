"""Run the command ``actgrad`` as ``python -m actgrad``."""

from actgrad.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

"""``python -m worked`` is the command line."""

import sys

from worked.cli import main

sys.exit(main())

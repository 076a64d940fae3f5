"""``python -m mapga``: the command line, where its script is not on the path."""

import sys

from mapga.cli import main

sys.exit(main())

"""``python -m bed``."""

import sys

from bed.cli import main

sys.exit(main())

"""``python -m scaffoldsim.cli``, where the console script is not installed."""

import sys

from scaffoldsim.cli.app import main

sys.exit(main())

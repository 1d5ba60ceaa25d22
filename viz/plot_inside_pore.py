"""Draw vessels from inside a pore: ``python viz/plot_inside_pore.py RUN [14d] [OUT.png]``."""

import sys

from scaffoldsim.render import render_still
from scaffoldsim.run.record import Run

if len(sys.argv) < 2:
    sys.exit(__doc__)
run = Run(sys.argv[1])
at = sys.argv[2] if len(sys.argv) > 2 else None
out = sys.argv[3] if len(sys.argv) > 3 else "inside_pore.png"
result = render_still(run, out, scene="inside_pore", at=at, size=(1000, 750))
print(result.path, result.note)

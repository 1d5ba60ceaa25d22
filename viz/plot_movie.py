"""A movie of a stored run: ``python viz/plot_movie.py RUN [healing|turntable] [OUT.webp]``."""

import sys

from scaffoldsim.render import render_movie
from scaffoldsim.run.record import Run

if len(sys.argv) < 2:
    sys.exit(__doc__)
run = Run(sys.argv[1])
scene = sys.argv[2] if len(sys.argv) > 2 else "healing"
out = sys.argv[3] if len(sys.argv) > 3 else f"{scene}.webp"
result = render_movie(run, out, scene=scene, width=640)
print(result.path, result.note)

"""Plot the cells of each type over time: ``python viz/plot_cells.py RUN [OUT.png]``."""

import sys

import matplotlib.pyplot as plt

from scaffoldsim.compare.curves import type_paints
from scaffoldsim.run.record import Run

if len(sys.argv) < 2:
    sys.exit(__doc__)
run = Run(sys.argv[1])
out = sys.argv[2] if len(sys.argv) > 2 else "cells.png"
table = run.metrics
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for name, (label, colour) in type_paints().items():
    counts = table[f"cells_{name}"]
    if counts.notna().any() and counts.max() > 0:
        axes.plot(table["time_h"] / 24, counts, color=colour, lw=2, label=label)
axes.set(xlabel="day", ylabel="cells", yscale="symlog", title=run.title)
axes.legend(frameon=False)
figure.savefig(out, dpi=200)
print(out)

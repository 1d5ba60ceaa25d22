"""Plot the oxygen each cell type lives in: ``python viz/plot_oxygen_at_cells.py RUN [OUT.png]``."""

import sys

import matplotlib.pyplot as plt
import numpy as np

from scaffoldsim.compare.curves import type_paints
from scaffoldsim.run.record import Run

if len(sys.argv) < 2:
    sys.exit(__doc__)
run = Run(sys.argv[1])
out = sys.argv[2] if len(sys.argv) > 2 else "oxygen_at_cells.png"
cells = run.cells()
oxygen = run.field("oxygen").ravel()[cells["voxel"]]
paints = type_paints()
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for code, name in enumerate(run.type_names):
    own = np.sort(oxygen[cells["type"] == code])
    if own.size:
        label, colour = paints.get(name, (name, "#4D4D4D"))
        axes.plot(own, np.arange(1, own.size + 1) / own.size, color=colour, lw=2, label=label)
axes.set(xlabel="oxygen (mM)", ylabel="share of cells with less", xlim=(0, None), title=run.title)
axes.legend(frameon=False)
figure.savefig(out, dpi=200)
print(out)

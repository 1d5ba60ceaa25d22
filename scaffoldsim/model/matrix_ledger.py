"""What became of all osteoid and bone; the books close at every step."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["MatrixLedger"]


@dataclass
class MatrixLedger:
    """Volumes of matrix since the start, m³: what the stored arrays gained and lost.

    Attributes
    ----------
    osteoid_before, mineral_before, host_before : float
        There at the start.
    laid : float
        Osteoid laid.
    unlaid : float
        What osteoblasts would have laid had there been room.
    mineralised : float
        Osteoid that became mineral.
    resorbed_new, resorbed_host : float
        New and host bone taken away.
    """

    osteoid_before: float = 0.0
    mineral_before: float = 0.0
    host_before: float = 0.0
    laid: float = 0.0
    unlaid: float = 0.0
    mineralised: float = 0.0
    resorbed_new: float = 0.0
    resorbed_host: float = 0.0

    def gap(self, *, osteoid: float, mineral: float, host: float) -> float:
        """What the books do not explain of the volumes present (m³), as a share of the greatest.

        Examples
        --------
        >>> ledger = MatrixLedger(laid=5.0, mineralised=3.0, resorbed_new=1.0, host_before=2.0)
        >>> ledger.gap(osteoid=2.0, mineral=2.0, host=2.0)
        0.0
        >>> ledger.gap(osteoid=2.0, mineral=2.0, host=1.9)
        0.02...
        """
        missing = (
            osteoid - (self.osteoid_before + self.laid - self.mineralised),
            mineral - (self.mineral_before + self.mineralised - self.resorbed_new),
            host - (self.host_before - self.resorbed_host),
        )
        most = max(osteoid, mineral, host, *(getattr(self, item.name) for item in fields(self)))
        return max(map(abs, missing)) / most if most > 0.0 else 0.0

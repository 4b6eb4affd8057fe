"""What the doctor found in a store."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class Finding(BaseModel):
    """Something wrong at ``place``, and what was done about it, where something was."""

    place: str
    problem: str
    repaired: str | None = None


class StoreHealth(BaseModel):
    """What ``check_store`` found; ``points`` of each collection that opens.

    ``in_use`` are corpora that another process holds, which were not looked at, each with who holds it; ``notes``
    are worth knowing and no damage. Neither makes a store unhealthy.
    """

    store: str
    points: dict[str, int] = Field(default_factory=dict)
    findings: list[Finding] = Field(default_factory=list)
    notes: list[Finding] = Field(default_factory=list)
    in_use: dict[str, str] = Field(default_factory=dict)

    def add(self, place: Path, problem: str, repaired: str | None = None) -> None:
        """Note something wrong."""
        self.findings.append(Finding(place=str(place), problem=problem, repaired=repaired))

    def note(self, place: Path, said: str, repaired: str | None = None) -> None:
        """Note what is no damage."""
        self.notes.append(Finding(place=str(place), problem=said, repaired=repaired))

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong any more, as far as could be looked at."""
        return all(finding.repaired for finding in self.findings)

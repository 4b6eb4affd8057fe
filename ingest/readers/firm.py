"""Which heading-like lines are headings indeed: running headers and prose that begins like a heading are none."""

from __future__ import annotations

from ingest.readers.marks import Mark


def plain(marks: list[Mark], *, markdown: bool) -> list[Mark]:
    """The marks without running headers, sections below chapters and prose that begins like a heading."""
    leveled = markdown and any(mark.heading.level for mark in marks)
    if leveled:
        # In Markdown with headings, other lines that look like some are lists of contents, or text.
        marks = _keep(marks, [bool(m.heading.level) or m.heading.entry for m in marks])
    unprefixed = [m for m in marks if not m.heading.prefix and not m.heading.glued and not m.heading.entry]
    chapters = [m for m in unprefixed if m.heading.rank < 2 and (m.heading.unit != "*")]
    sections = [m for m in unprefixed if m.heading.rank == 2]
    if chapters or (unprefixed and not sections):
        marks = _keep(marks, [not m.heading.prefix and m.heading.rank < 2 for m in marks], headings_end_text=True)
    elif unprefixed:
        marks = _keep(marks, [not m.heading.prefix for m in marks])
    return _keep(marks, _fits(marks))


def _keep(marks: list[Mark], wanted: list[bool], *, headings_end_text: bool = False) -> list[Mark]:
    kept: list[Mark] = []
    for mark, keep in zip(marks, wanted, strict=True):
        if keep:
            kept.append(mark)
        elif kept:
            kept[-1].absorb(mark)
            if not (headings_end_text and mark.heading.prefix):
                kept[-1].lines += 1
                kept[-1].chars += len(mark.heading.label)
    return kept


def _fits(marks: list[Mark]) -> list[bool]:
    """A title glued to its label counts as a heading only where its number continues the sequence."""
    firm = any(not m.heading.glued and m.heading.rank == 1 and m.heading.number is not None for m in marks)
    glued = [m for m in marks if m.heading.glued]
    wanted = []
    before: int | None = None
    for at, mark in enumerate(marks):
        heading = mark.heading
        if not heading.glued:
            wanted.append(True)
        else:
            following = next((m.heading.number for m in marks[at + 1 :] if m.heading.unit == heading.unit), None)
            number = heading.number or 0
            continues = before is not None and number == before + 1
            goes_on = following == number + 1
            restarts = number == 1 and goes_on
            last = following is None or following == 1
            if firm:
                wanted.append(goes_on and (continues or (number == 1 and before is None)))
            else:
                wanted.append(len(glued) > 1 and (restarts or (continues and (goes_on or last)) or goes_on))
        if wanted[-1] and heading.number is not None and heading.rank == 1:
            before = heading.number
    return wanted

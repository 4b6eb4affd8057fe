"""``xunyi doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import json_option, store_option
from cli.output import console, emit_json, printable
from schemas.errors import StoreError


@click.command("doctor")
@store_option
@click.option("--repair", is_flag=True, help="Mend what can be mended, and say what was done.")
@json_option
def command(store: str | None, repair: bool, as_json: bool) -> int:
    r"""Check the files of an embedded store; ends with 5 where something stays wrong.

    Every point is read once, some 80,000 a second. A corpus that another process has open is named and
    left alone; that is nothing wrong.

    \b
    Examples:
      xunyi doctor --store ./corpora
      xunyi doctor --store ./corpora --repair
    """
    from stores.doctor import check_store
    from stores.opening import default_folder

    if store is not None and "://" in store:
        raise StoreError(f"{store} is a server, which checks itself; give --store a folder.")
    health = check_store(Path(store).expanduser() if store else default_folder(), repair=repair)
    if as_json:
        emit_json({**health.model_dump(mode="json"), "healthy": health.healthy})
    else:
        out = console()
        for name, points in health.points.items():
            out.print(printable(f"{name}: opens, {points:,} points"), markup=False)
        for finding in (*health.notes, *health.findings):
            done = f" [{finding.repaired}]" if finding.repaired else ""
            out.print(printable(f"{finding.place}: {finding.problem}{done}"), markup=False)
        for name, holder in health.in_use.items():
            out.print(printable(f"{name}: not checked: {holder}"), markup=False)
        rest = " with what could be checked" if health.in_use else ""
        out.print(f"Nothing is wrong{rest}." if health.healthy else "Something is wrong.")
    return 0 if health.healthy else 5

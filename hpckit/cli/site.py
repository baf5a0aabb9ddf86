"""`hpckit site`: which places are known, and what holds there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hpckit.cli import console
from hpckit.cli.options import Json
from hpckit.errors import InputError

app = typer.Typer(
    help="The places where bags run.\n\nExample: hpckit site show perlmutter",
    no_args_is_help=True,
)


@app.command("list")
def list_sites(as_json: Json = False) -> None:
    """List the sites that are known.

    Example: hpckit site list
    """
    from hpckit.model.site_files import known_sites, load_site

    rows = []
    for name in known_sites():
        try:
            site = load_site(name).site
        except InputError as error:  # one bad file does not hide the others
            console.error(error)
            continue
        about = {"scheduler": site.scheduler, "description": site.description}
        rows.append({"name": name, **about})
    if as_json:
        console.document({"schema": "hpckit.sites/1", "sites": rows})
    else:
        console.table(("site", "scheduler", "description"), (list(row.values()) for row in rows))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The site's name.")],
    as_json: Json = False,
) -> None:
    """Show a site's values, and where each comes from.

    Example: hpckit site show local
    """
    from hpckit.model.site_files import load_site
    from hpckit.report.results import flatten

    found = load_site(name)
    values = flatten(found.site.model_dump(mode="json", by_alias=True))
    rows = [
        {"key": key, "value": value, "origin": found.origins.get(key, "default")}
        for key, value in values.items()
    ]
    if as_json:
        console.document({"schema": "hpckit.site/1", "site": name, "values": rows})
    else:
        said = [row for row in rows if row["origin"] != "default" or row["value"] not in _EMPTY]
        console.table(
            ("key", "value", "from"), ((r["key"], _toml(r["value"]), r["origin"]) for r in said)
        )


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A site file of yours.")],
    as_json: Json = False,
) -> None:
    """Check a site file, and render every template with it.

    Example: hpckit site check ~/.config/hpckit/sites/ourcluster.toml
    """
    from hpckit.launch.site_check import check_site
    from hpckit.model.site_files import load_site_file

    found = load_site_file(file)
    scripts = check_site(found.site, python=sys.executable, root=_SOMEWHERE)
    if as_json:
        names = [{"name": script.name, "text": script.text} for script in scripts]
        console.document(
            {"schema": "hpckit.sitecheck/1", "site": found.site.name, "scripts": names}
        )
    else:
        console.note(f"{file} is well; {len(scripts)} scripts render with it")


_SOMEWHERE = "/shared/you"  # stands for where a user is; the check may run anywhere
_EMPTY: tuple[Any, ...] = ("", [], {}, None)


def _toml(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)

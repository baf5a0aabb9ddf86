"""Put pip into a virtual environment that was made without it.

    .venv/bin/python make/fetch_pip.py .venv

Debian's python3 brings pip's wheel only in the package python3-venv, which an ordinary user
cannot install. So the newest wheel is taken from the index that pip itself would ask
(PIP_INDEX_URL, pip.conf, else PyPI), compared with the index's SHA-256, and told to install itself.
The index: https://packaging.python.org/en/latest/specifications/simple-repository-api/ .
"""

from __future__ import annotations

import configparser
import hashlib
import html
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

PYPI = "https://pypi.org/simple"
LINK = re.compile(r'<a\s[^>]*href="([^"]*/pip-([0-9.]+)-py3-none-any\.whl)#sha256=([0-9a-f]{64})"')
TIMEOUT_S = 60


def setting(name: str) -> str:
    """A setting of pip's: from the environment, else the user's pip.conf, else the machine's."""
    given = os.environ.get("PIP_" + name.upper().replace("-", "_"), "")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = configparser.RawConfigParser()
    files.read(["/etc/pip.conf", Path.home() / ".pip/pip.conf", config / "pip/pip.conf"])
    return given or files.get("global", name, fallback="")


def newest(page: str) -> tuple[str, str]:
    """The address and the SHA-256 of the newest wheel that an index page links to."""
    found = [
        (tuple(int(part) for part in version.split(".")), html.unescape(address), digest)
        for address, version, digest in LINK.findall(page)
    ]
    if not found:
        raise ValueError("it lists no wheel of pip with its SHA-256")
    return max(found)[1:]


def get(address: str, context: ssl.SSLContext) -> bytes:
    with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=context) as answer:
        content: bytes = answer.read()
    return content


def main() -> int:
    venv = Path(sys.argv[1])
    index = (setting("index-url") or PYPI).rstrip("/") + "/pip/"
    context = ssl.create_default_context(cafile=setting("cert") or None)
    try:
        address, digest = newest(get(index, context).decode())
        wheel = get(urllib.parse.urljoin(index, address), context)
        if hashlib.sha256(wheel).hexdigest() != digest:
            raise ValueError(f"{address} has not the SHA-256 that the index names")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"setup: no pip from {index}: {error}\n")
        return 1
    name = venv / urllib.parse.unquote(address.rpartition("/")[2])
    name.write_bytes(wheel)
    argv = [sys.executable, str(name / "pip"), "install", "--quiet", "--no-index", str(name)]
    status = subprocess.run(argv, check=False).returncode
    name.unlink()
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Runs schemathesis with this folder's configuration and the arguments that it is given.

It keeps what it has found in the folder that it runs in: one that is deleted afterwards.
"""

import os
import sys
import tempfile
from pathlib import Path

from schemathesis.cli import schemathesis

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        schemathesis(["--config-file", str(here / "schemathesis.toml"), "run", *sys.argv[1:]])

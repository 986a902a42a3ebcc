"""Runs schemathesis in this folder, with the arguments that it is given."""

import os
import sys

from schemathesis.cli import schemathesis

if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    sys.path.insert(0, os.getcwd())
    schemathesis(["--config-file", "schemathesis.toml", "run", *sys.argv[1:]])

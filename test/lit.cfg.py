"""lit's configuration. From the repository's root: `lit test`, `lit -v test/dialects/view.mlir`."""

import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, _here)

import lit_format  # noqa: E402

config.name = "jic"  # noqa: F821  (lit defines `config`)
config.suffixes = [".mlir"]  # noqa: F821
config.excludes = ["Inputs", "Output"]  # noqa: F821
config.test_source_root = _here  # noqa: F821
config.test_exec_root = os.path.join(_here, "..", "build", "lit")  # noqa: F821
config.test_format = lit_format.JicTest()  # noqa: F821

# A checkout that is not installed finds jic beside the tests.
if importlib.util.find_spec("jic") is None:
    os.environ["PYTHONPATH"] = os.path.join(_here, "..", "python")
    sys.path.insert(0, os.environ["PYTHONPATH"])
_search_path = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
config.environment["PYTHONPATH"] = os.pathsep.join(_search_path)  # noqa: F821

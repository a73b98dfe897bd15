#!/usr/bin/python3
"""Print the versions of the packages named, as one JSON object.

    versions.py PACKAGE...
"""

import json
import platform
import sys
from importlib import metadata

versions = {name: metadata.version(name) for name in sys.argv[1:]}
print(json.dumps({"python": platform.python_version(), **versions}))

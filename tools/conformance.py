"""Runs the conformance corpus against the stand-in workspace: conformance.py CORPUS BINARY [CASE ...]

The corpus lies beside the checkout, not in it. Where it is missing this says so and ends well: there is nothing to
compare with. What only the server it was recorded from can answer is left out of the comparison.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

OTHER_SERVER = "housekeeping,remote-state,remote-files,workspace"


def main() -> int:
    corpus, binary, *cases = sys.argv[1:]
    check = Path(corpus, "check.py")
    if not check.exists():
        print(f"no corpus at {corpus}: conformance was not checked")
        return 0
    binary = os.path.abspath(binary)
    server = subprocess.Popen([binary, "rehearse", "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        found = next((match for line in server.stdout if (match := re.search(r"http://[\d.]+:\d+", line))), None)
        if found is None:
            print("the stand-in did not say where it listens", file=sys.stderr)
            return 1
        command = [sys.executable, str(check), "--program", f"{binary} bundle", "--server", found.group()]
        command += ["--token", "dbapi0{case}{run}", "--sp-token", "dbapi1{case}{run}"]
        command += ["--ignore", OTHER_SERVER, "--jobs", str(os.cpu_count() or 1), *cases]
        return subprocess.run(command, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())

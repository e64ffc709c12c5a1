#!/bin/sh
# Makes or removes bytecode for the Python that this system has now. Nobody's start could keep any in this folder, and
# each would take seconds longer for it. A file that does not compile is none that this Python imports.
set -e
python=/usr/lib/watchkeeper/bin/python3
case "$1" in
make)
    # By the name that it is imported by, which the bytecode holds.
    packages=$("$python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$python" -I -m compileall -q -j 0 "$packages" >/dev/null 2>&1 ||
        "$python" -I -m compileall -q "$packages" >/dev/null 2>&1 || true
    ;;
remove)
    find /usr/lib/watchkeeper/lib/python3 -type d -name __pycache__ -prune -exec rm -rf {} +
    ;;
esac

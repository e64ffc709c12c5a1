#!/bin/sh
# Starts Watchkeeper from wherever this folder lies.
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/lib/python.sh"
exec "$python" -I -m app.main "$@"

#!/bin/sh
# Gives Watchkeeper a place in your menu, and the command `watchkeeper`; --remove takes them back.
here=$(dirname -- "$(readlink -f -- "$0")")
. "$here/lib/python.sh"
exec "$python" -I "$here/lib/menu.py" "$here" "$@"

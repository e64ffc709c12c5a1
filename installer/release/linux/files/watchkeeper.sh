#!/bin/sh
exec /usr/lib/watchkeeper/bin/python3 -I -m app.main "$@"

"""Say clearly when a port is taken, before minutes are spent on what comes first."""

import socket
import sys

port = int(sys.argv[1])
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        sys.exit(f"missing: port {port} is in use. Stop what uses it, or choose another: make demo PORT={port + 1}")

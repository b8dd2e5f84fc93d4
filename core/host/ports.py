"""Whether a port is free. Standard library only: the set-up script uses it before anything is installed."""

import errno
import socket


def problem(host: str, port: str) -> str | None:
    """One sentence with advice when the web process could not listen there; None when it could."""
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        return f"GUILDHALL_PORT is {port!r}; give it a number from 1 to 65535."
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (socket.gaierror, UnicodeError):
        return f"GUILDHALL_HOST is {host!r}, which is not an address of this machine. 127.0.0.1 always works."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"Port {port} on {host} is in use (is Guildhall running already?). Stop the program that uses it, or choose another port: "
                "GUILDHALL_PORT=8080 make run"
            )
        return f"Cannot listen on {host}:{port} ({error.strerror}). Choose another with GUILDHALL_HOST and GUILDHALL_PORT."
    return None

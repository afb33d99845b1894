"""An HTTP server that fails as it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

CUT = -1  # a fault: the connection is closed in the middle of the answer


class Web:
    """Serves a folder on this machine.

    Attributes
    ----------
    url : str
    faults : dict
        By the end of a path: what to answer first, a list of statuses or `CUT`.
    always : dict
        By the end of a path: the status to answer for good.
    pause : float
        Seconds that each answer takes.
    asked : collections.Counter
        How often each path was asked for.
    """

    def __init__(self, folder):
        self.faults, self.always, self.pause, self.asked = {}, {}, 0.0, Counter()
        self._lock = threading.Lock()
        handler = partial(_Handler, web=self, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def fault(self, path):
        with self._lock:
            self.asked[path] += 1
            for end, statuses in self.faults.items():
                if path.endswith(end) and statuses:
                    return statuses.pop(0)
        return next((status for end, status in self.always.items() if path.endswith(end)), None)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, web, **named):
        self.web = web
        super().__init__(*arguments, **named)

    def do_GET(self):
        time.sleep(self.web.pause)
        fault = self.web.fault(self.path)
        if fault is None:
            super().do_GET()
        elif fault == CUT:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.send_error(fault)

    def log_message(self, *_):
        """Say nothing."""

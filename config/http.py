"""The web server's HTTP protocol, with limits for headers and for unread responses: `uvicorn --http config.http:Http`.

Without it uvicorn waits for the end of a request's headers without a limit and stores all of them. It also accepts the
last part of a response, which is often the whole, without waiting for the client: unread, it would stay in memory.
(Between two parts core.http.limits waits, and disconnects clients that do not read.)
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Above it the connection ends. Below it core.http.limits answers with a message about what is too long.
HEAD_BYTES = 256 * 1024
HEAD_SECONDS = 30.0
# The rest of a response must be read at this speed, else the connection ends: 4 kB a second, as in core.http.limits.
READ_SECONDS = 60.0
READ_BYTES = 256 * 1024

_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
    b"content-length: 42\r\nconnection: close\r\n\r\nThe headers of this request are too long.\n"
)


class Http(HttpToolsProtocol):
    _head = 0
    _in_head = True
    _waiting: TimerHandle | None = None
    _reading: TimerHandle | None = None
    _chunk = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._chunk = len(data)
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self.logger.warning("The headers of a request are too long; the connection was closed.")
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # The last data belongs to this request: it must not count for the next one's headers.
        self._in_head, self._head = True, -self._chunk

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stop_reading()
        self._expect_reader()

    def _expect_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left:
            self._reading = self.loop.call_later(READ_SECONDS, self._look_at_reader, left)

    def _look_at_reader(self, before: int) -> None:
        self._reading = None
        left = self.transport.get_write_buffer_size()
        if left and left > before - READ_BYTES:
            self.logger.warning(
                "The client did not read the rest of a response (%d bytes); the connection was closed.", left
            )
            self.transport.abort()
        else:
            self._expect_reader()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

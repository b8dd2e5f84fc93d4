"""A server that behaves like the part of vLLM that Guildhall uses, for tests only. It answers real HTTP, holds adapters in
memory, streams, and starts a child that, like vLLM's, outlives it when it is killed.

tests/inference/test_real_vllm.py puts the same questions to this and to the real one, so that it cannot drift.

What it answers depends on the question: "say: X" is answered with X, word by word; "slow" with numbered words, one each
100 ms; "stall" with one word and then silence; "die" ends the whole process in mid-answer; "refuse" is refused; "nul" is
answered with a NUL byte, "half" with half a letter, "halves" with a letter cut in two; "error" breaks inside the stream. At
`/v1/completions` each set of weights continues a text with tokens of its own. Like vLLM on a CPU it keeps an unloaded adapter
in its slot, and while an adapter answers, the base answers with the weights in the last slot.

A JSON file named by FAKE_ENGINE_CONTROL is read at each request: {"shift": 1} makes token ids differ, {"sick": true} fails
the health check, {"refuse_adapters": "why"} refuses adapters, {"refuse_text": "why"} refuses continuations, {"noise": 0.2}
changes log probabilities by that much whenever several requests are answered at once, {"byte_by_byte": true} sends every byte
of a stream in a chunk of its own.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def token_ids(messages: list[dict[str, str]]) -> list[int]:
    """What the fake's tokenizer makes of a conversation: one id per byte of a ChatML-like rendering."""
    text = "".join(f"<|{m['role']}|>{m['content']}" for m in messages) + "<|assistant|>"
    return list(text.encode())


def control() -> dict[str, Any]:
    path = os.environ.get("FAKE_ENGINE_CONTROL", "")
    try:
        return dict(json.loads(Path(path).read_text())) if path else {}
    except (OSError, ValueError):
        return {}


def answer_to(question: str) -> list[str]:
    if question.startswith("say: "):
        words = question[5:].split(" ")
    elif question == "nul":
        words = ["a\x00b"]
    elif question == "half":
        words = ["a\ud83d"]
    elif question == "halves":
        return ["a\ud83d", "\ude00b"]
    elif question == "slow":
        words = [f"word{n}" for n in range(100)]
    else:
        words = ["You", "asked:", *question.split(" ")]
    return [word if n == 0 else f" {word}" for n, word in enumerate(words)]


def personal_keys_of(weights: str, text: str, count: int) -> list[dict[str, Any]]:
    """What `weights` continue `text` with: tokens with their log probability and a second likely one."""
    steps = []
    for at in range(count):
        number = zlib.crc32(f"{weights}|{text}|{at}".encode())
        steps.append({"token": f"token_id:{number % 40_000}", "logprob": -(number % 100) / 200})
    return steps


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Fake"

    def log_message(self, *args: object) -> None:
        pass

    def _json(self, body: Any, status: int = 200) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _error(
        self, message: str, status: int, kind: str = "BadRequestError", param: str | None = None
    ) -> None:
        self._json({"error": {"message": message, "type": kind, "param": param, "code": status}}, status)

    def do_GET(self) -> None:
        fake = self.server
        if self.path == "/health":
            if control().get("sick"):
                self._error("sick", 503)
            else:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
        elif self.path == "/v1/models":
            shared = {"object": "model", "owned_by": fake.owner}
            cards = [shared | {"id": fake.name, "root": fake.model, "parent": None}]
            cards += [
                shared | {"id": name, "root": path, "parent": fake.name}
                for name, path in fake.adapters.items()
            ]
            self._json({"object": "list", "data": cards})
        else:
            self._error("Not Found", 404, "NotFoundError")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        fake = self.server
        name = body.get("lora_name")
        if self.path == "/v1/load_lora_adapter":
            if refusal := control().get("refuse_adapters"):
                self._error(refusal, 500, "InternalServerError")
            elif name in fake.adapters:
                self._error(f"The lora adapter '{name}' has already been loaded.", 400, "InvalidUserInput")
            elif not Path(body["lora_path"]).is_dir():
                self._error(f"Loading lora {name} failed: No adapter found for <path>", 404, "NotFoundError")
            else:
                fake.adapters[name] = body["lora_path"]
                fake.take_slot(name)
                self._json(f"Success: LoRA adapter '{name}' added successfully.")
        elif self.path == "/v1/unload_lora_adapter":
            if fake.adapters.pop(name, None) is None:
                self._error(f"The lora adapter '{name}' cannot be found.", 404, "NotFoundError")
            else:
                self._json(f"Success: LoRA adapter '{name}' removed successfully.")
        elif body.get("model") not in {fake.name, *fake.adapters}:
            self._error(f"The model `{body.get('model')}` does not exist.", 404, "NotFoundError", "model")
        elif self.path == "/tokenize":
            tokens = [token + int(control().get("shift", 0)) for token in token_ids(body["messages"])]
            self._json(
                {"count": len(tokens), "max_model_len": fake.length, "tokens": tokens, "token_strs": None}
            )
        elif self.path == "/v1/chat/completions":
            with fake.answering(body["model"]):
                self._chat(body)
        elif self.path == "/v1/completions":
            with fake.answering(body["model"]):
                self._text(body)
        else:
            self._error("Not Found", 404, "NotFoundError")

    def _chat(self, body: dict[str, Any]) -> None:
        fake = self.server
        fake.seen.append(body)
        if log := control().get("log"):
            with Path(log).open("a") as file:
                file.write(json.dumps(body) + "\n")
        question = body["messages"][-1]["content"]
        length = len(token_ids(body["messages"]))
        wanted = body.get("max_tokens") or body.get("max_completion_tokens") or 0
        if wanted > fake.length:
            self._error(f"max_tokens={wanted} cannot be greater than max_model_len={fake.length}.", 400)
            return
        if length > fake.length:
            self._error(f"This model's maximum context length is {fake.length} tokens.", 400)
            return
        if question == "refuse":
            self._error("Nothing doing.", 400)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._stream(body, question, length)
        except (BrokenPipeError, ConnectionResetError):
            fake.hung_up.append(question)
            if log := control().get("log"):
                with Path(log).open("a") as file:
                    file.write(json.dumps({"hung_up": question}) + "\n")

    def _text(self, body: dict[str, Any]) -> None:
        if refusal := control().get("refuse_text"):
            self._error(refusal, 400)
        elif body.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for _ in range(body["max_tokens"]):
                    self._event({"choices": [{"index": 0, "text": " word", "finish_reason": None}]})
                    time.sleep(0.03)
                self._event("[DONE]")
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
        else:
            self._json(self._continuation(body))

    def _continuation(self, body: dict[str, Any]) -> dict[str, Any]:
        fake = self.server
        steps = personal_keys_of(fake.weights_for(body["model"]), body["prompt"], body["max_tokens"])
        noise = float(control().get("noise", 0)) if fake.busy() > 2 else 0.0
        told = {
            "tokens": [one["token"] for one in steps],
            "token_logprobs": [one["logprob"] - noise for one in steps],
            "top_logprobs": [
                {one["token"]: one["logprob"] - noise, "token_id:1": one["logprob"] - 4} for one in steps
            ],
        }
        choice = {"index": 0, "text": " …", "finish_reason": "length", "logprobs": told}
        return {"object": "text_completion", "model": body["model"], "choices": [choice]}

    def _event(self, body: Any) -> None:
        # vLLM writes letters as they are; a letter that cannot be written alone can only come escaped.
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii="\\ud" in json.dumps(body))
        data = f"data: {text}\n\n".encode()
        size = 1 if control().get("byte_by_byte") else len(data)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()

    def _stream(self, body: dict[str, Any], question: str, length: int) -> None:
        base = {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
        }

        def choice(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
            return base | {
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
            }

        self._event(choice({"role": "assistant", "content": ""}))
        pieces = answer_to(question)
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or len(pieces)
        for piece in pieces[:limit]:
            self._event(choice({"content": piece}))
            if question == "slow":
                time.sleep(0.1)
            if question == "stall":
                time.sleep(600)
            if question == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if question == "error":
                self._event({"error": {"message": "It broke.", "type": "InternalServerError", "code": 500}})
        self._event(choice({"content": ""}, "length" if len(pieces) > limit else "stop"))
        count = min(limit, len(pieces))
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": length, "completion_tokens": count, "total_tokens": length + count}
            self._event(base | {"choices": [], "usage": usage})
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Fake(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, port: int, name: str, model: str = "", length: int = 2048, slots: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.slots: list[str | None] = [None] * slots
        self._order: list[int] = []  # of slots, the longest taken first
        self._answering: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.name, self.model, self.length = name, model, length
        self.owner = "vllm"
        self.adapters: dict[str, str] = {}
        self.seen: list[dict[str, Any]] = []
        self.hung_up: list[str] = []

    def take_slot(self, name: str) -> None:
        """The first free slot, else the one taken longest ago. Unloading frees none."""
        if not self.slots:
            return
        at = self.slots.index(None) if None in self.slots else self._order.pop(0)
        self.slots[at] = name
        self._order.append(at)

    @contextmanager
    def answering(self, model: str) -> Iterator[None]:
        with self._lock:
            self._answering[model] += 1
        try:
            yield
        finally:
            with self._lock:
                self._answering[model] -= 1

    def busy(self) -> int:
        with self._lock:
            return self._answering.total()

    def weights_for(self, model: str) -> str:
        """Whose weights answer: the last slot's, where a request of the base shares a batch with an adapter's."""
        with self._lock:
            mixed = any(count for name, count in self._answering.items() if name != self.name)
        last = self.slots[-1] if self.slots else None
        return last if model == self.name and mixed and last else model

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def main() -> None:
    """The process, with vLLM's command line as far as Guildhall uses it; unknown options end it, as in vLLM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-model-len", type=int, required=True)
    parser.add_argument("--generation-config", required=True)
    parser.add_argument("--load-format", required=True)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-loras", type=int)
    parser.add_argument("--enable-prompt-embeds", action="store_true")
    parser.add_argument("--middleware")
    parser.add_argument("--owned-by", default="vllm", help="Not vLLM's: it makes this the other engine.")
    parser.add_argument("--max-lora-rank", type=int, choices=(1, 8, 16, 32, 64, 128, 256, 320, 512))
    options = parser.parse_args()
    if reason := control().get("fail_start"):
        print(f"RuntimeError: {reason}", file=sys.stderr, flush=True)
        raise SystemExit(1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])

    def leave(*_: object) -> None:
        child.kill()
        child.wait()
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    time.sleep(float(control().get("start_seconds", 0)))
    fake = Fake(
        options.port,
        options.served_model_name,
        options.model,
        options.max_model_len,
        slots=options.max_loras or 0,
    )
    fake.owner = options.owned_by
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()

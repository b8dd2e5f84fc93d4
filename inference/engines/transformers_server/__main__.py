"""The process: `python -m inference.engines.transformers_server --model FOLDER --served-model-name NAME ...`."""

import argparse
from pathlib import Path

import uvicorn

from inference.engines.transformers_server.app import application
from inference.engines.transformers_server.models import Models

# Answers that are being written when it is asked to stop get this long.
GRACE_SECONDS = 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-model-len", type=int, required=True)
    parser.add_argument("--max-adapters", type=int, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument(
        "--threads", type=int, default=0, help="Of one computation on a CPU; 0: torch's default."
    )
    options = parser.parse_args()
    models = Models(
        options.model,
        options.served_model_name,
        most_adapters=options.max_adapters,
        device=options.device,
        threads=options.threads,
    )
    uvicorn.run(
        application(models, options.max_model_len),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()

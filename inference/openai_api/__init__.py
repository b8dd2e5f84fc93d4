"""The OpenAI-compatible API for applications: /v1/. `views` answers requests, `shapes` reads requests and writes
responses."""

"""The door for applications: /v1/, in OpenAI's shape. `views` answers, `shapes` reads requests and writes answers."""

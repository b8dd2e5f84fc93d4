"""The REST API of inference: what the Serve and chat pages do, for programs. The same services do the work."""

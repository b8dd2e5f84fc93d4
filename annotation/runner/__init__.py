"""Long work on examples in a worker: imports and freezes."""

"""Long work on examples, done by a worker: imports and freezes."""

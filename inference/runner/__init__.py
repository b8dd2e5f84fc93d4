"""Long work of inference, in workers."""

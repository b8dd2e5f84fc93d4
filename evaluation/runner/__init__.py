"""The long work of evaluation, done by workers."""

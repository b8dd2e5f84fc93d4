"""The REST API of evaluation."""

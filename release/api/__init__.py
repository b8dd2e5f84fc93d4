"""The REST API of release."""

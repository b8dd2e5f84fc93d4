"""Inference's part of the REST API: the actions of the Serve and chat pages. It uses the same services."""

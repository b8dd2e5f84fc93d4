"""Training's part of the REST API: the same services as the pages."""

"""The REST API of core: /api/v1/. The services of the pages do the work."""

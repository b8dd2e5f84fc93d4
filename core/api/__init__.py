"""The REST API of core: /api/v1/. The pages' services do the work; nothing is decided here."""

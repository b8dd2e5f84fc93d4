"""Training's pages."""

"""Pages of evaluation: campaigns, rating, results."""

"""Who did what: writing an entry of the audit, the actions there are, and how each is worded."""

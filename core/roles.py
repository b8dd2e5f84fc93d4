"""The groups of roles that pages and the API ask for."""

from core.models import Role

# Everybody of the organisation. A partner is from outside and sees nothing of a project but their sources.
MEMBERS = (Role.ANNOTATOR, Role.REVIEWER, Role.RATER, Role.ADMIN, Role.VIEWER)

ADMINS = (Role.ADMIN,)
ANNOTATORS = (Role.ANNOTATOR,)
REVIEWERS = (Role.REVIEWER,)
RATERS = (Role.RATER,)

# They see the origin of everything: imports, answers, names of model versions.
READERS = (Role.ADMIN, Role.VIEWER)
# They see sources: a partner only those that an admin has chosen for them.
SOURCE_READERS = (Role.ADMIN, Role.VIEWER, Role.PARTNER)
# They see examples and the datasets made of them.
EXAMPLE_READERS = (Role.ADMIN, Role.VIEWER, Role.ANNOTATOR, Role.REVIEWER)
# They work on examples: both queues.
QUEUE_WORKERS = (Role.ANNOTATOR, Role.REVIEWER)
EXAMPLE_WRITERS = (Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN)
EXAMPLE_DECIDERS = (Role.ADMIN, Role.REVIEWER)
# They see campaigns; a rater sees the results when the campaign is closed.
CAMPAIGN_READERS = (Role.RATER, Role.ADMIN, Role.VIEWER)
CHATTERS = (Role.RATER, Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN)
# They see which versions are served; without READERS only as candidates to test.
SERVING_READERS = (Role.ADMIN, Role.VIEWER, Role.RATER, Role.ANNOTATOR, Role.REVIEWER)

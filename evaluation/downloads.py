"""Downloads of evaluation."""

from functools import partial

from django.http import StreamingHttpResponse

from core.http.downloads import CSV, attachment
from core.models import User
from evaluation.models import Campaign
from evaluation.queries.export import csv_lines


def ratings_as_csv(campaign: Campaign, *, by: User, method: str | None) -> StreamingHttpResponse:
    """Every rating of the campaign, with model names."""
    name = f"campaign-{campaign.pk}-ratings.csv"
    return attachment(partial(csv_lines, campaign), method=method, by=by, name=name, content_type=CSV)

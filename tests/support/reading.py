"""What a person reads on a page: its words, without markup and however the template breaks its lines."""

import html
import re

from django.http import HttpResponse


def text_of(response: HttpResponse) -> str:
    """The page's text in one line. Tags are dropped, so that a word half in bold stays one word."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", response.content.decode()).split()))

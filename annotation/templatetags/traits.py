"""Names of languages and moods in templates: `{% load traits %}`."""

from django import template

from annotation.checks.languages import LANGUAGES
from annotation.moods import MOODS

register = template.Library()


@register.filter
def language_name(code: str | None) -> str:
    """ "German" for "de"; an unknown code as it is."""
    return LANGUAGES.get(code, code) if code else ""


@register.filter
def mood_name(key: str | None) -> str:
    """ "Angry" for "angry"."""
    return MOODS.get(key, key) if key else ""

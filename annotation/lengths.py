"""The bands of lengths of completions, for coverage. Pure."""

# {key: (name, the most words)}; a key never changes: targets are stored under it.
BANDS: dict[str, tuple[str, float]] = {
    "short": ("Short: up to 30 words", 30),
    "medium": ("Medium: 31 to 100 words", 100),
    "long": ("Long: 101 to 250 words", 250),
    "very_long": ("Very long: over 250 words", float("inf")),
}


def band_of(words: int) -> str:
    """The key of the band of a completion with this number of words."""
    return next(key for key, (_, most) in BANDS.items() if words <= most)

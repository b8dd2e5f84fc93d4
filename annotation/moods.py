"""The moods of customers, for coverage. Pure. A key never changes: targets are stored under it."""

ANGRY, ANXIOUS, UNHAPPY, NEUTRAL, PLEASED = "angry", "anxious", "unhappy", "neutral", "pleased"
MOODS: dict[str, str] = {
    ANGRY: "Angry",
    ANXIOUS: "Anxious",
    UNHAPPY: "Unhappy",
    NEUTRAL: "Neutral",
    PLEASED: "Pleased",
}

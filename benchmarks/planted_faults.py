"""Real rows with one planted fault each, for benchmarks/checks.py: does the check find it?

Rows are drawn with a fixed seed. A row that has a finding of the planted kind before is left out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from annotation.checks import CHECKS
from annotation.checks.base import UNLIMITED, Finding, Pair
from core.models import Project

ROWS = 200
# Customer service in other languages, for the planted wrong language.
_OTHER = (
    "Ihre Bestellung ist in wenigen Minuten an der Theke fertig.", "Leider haben wir das heute nicht auf der Karte.",
    "Votre commande sera prête dans quelques minutes au comptoir.", "Je suis désolé, nous n'avons pas cela sur notre carte.",
    "Su pedido estará listo en unos minutos en la barra.", "Lo siento, no tenemos eso en el menú de hoy.",
    "Il suo ordine sarà pronto tra pochi minuti al banco.", "Uw bestelling staat over een paar minuten klaar aan de bar.",
    "O seu pedido estará pronto em alguns minutos no balcão.", "Din beställning är klar om några minuter vid disken.",
    "Twoje zamówienie będzie gotowe za kilka minut przy barze.", "ご注文は数分後にカウンターでお渡しいたします。",
    "您的订单几分钟后可以在柜台领取。", "سيكون طلبك جاهزا خلال بضع دقائق عند المنضدة.", "Ваш заказ будет готов через несколько минут у стойки.",
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """How often a check found what was planted, in so many rows."""

    name: str
    rows: int
    found: int


def _typo(pair: Pair, dice: random.Random) -> Pair | None:
    """Two letters swapped, one left out, one doubled or one replaced, in a common word of five letters or more."""
    words = pair.completion.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha() and word.islower()]
    if not long:
        return None
    at = dice.choice(long)
    word, here = words[at], dice.randrange(1, len(words[at]) - 2)
    words[at] = dice.choice(
        (
            word[:here] + word[here + 1] + word[here] + word[here + 2 :],
            word[:here] + word[here + 1 :],
            word[:here] + word[here] + word[here:],
            word[:here] + dice.choice("aeiourstn") + word[here + 1 :],
        )
    )
    return None if words[at] == word else replace(pair, completion=" ".join(words))


def _mojibake(pair: Pair, dice: random.Random) -> Pair | None:
    said = pair.completion.replace("'", "’") + dice.choice(
        (" It is on the café’s menu.", " Grüße – your team", " That is 5 € in all.")
    )
    return replace(pair, completion=said.encode().decode("cp1252", "replace").replace("\ufffd", ""))


def _cut_off(pair: Pair, dice: random.Random) -> Pair | None:
    """At a random space of the second half."""
    spaces = [
        at for at, letter in enumerate(pair.completion) if letter == " " and at > len(pair.completion) / 2
    ]
    return replace(pair, completion=pair.completion[: dice.choice(spaces)]) if len(spaces) > 2 else None


def _other_language(pair: Pair, dice: random.Random) -> Pair | None:
    return replace(pair, completion=dice.choice(_OTHER))


def _letters(
    dice: random.Random, many: int, of: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz"
) -> str:
    return "".join(dice.choice(of) for _ in range(many))


def _secret(pair: Pair, dice: random.Random) -> Pair | None:
    secret = dice.choice(
        (
            lambda: "AKIA" + _letters(dice, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
            lambda: "ghp_" + _letters(dice, 36),
            lambda: "sk_live_" + _letters(dice, 24),
            lambda: "sk-proj-" + _letters(dice, 40),
            lambda: f"your password is {_letters(dice, 7)}{dice.randrange(10)}!",
            lambda: f"password: {_letters(dice, 8)}{dice.randrange(100)}",
            lambda: f"https://admin:{_letters(dice, 12)}@db.internal/main",
            lambda: "xoxb-" + _letters(dice, 11, "0123456789") + "-" + _letters(dice, 24).lower(),
            lambda: "-----BEGIN RSA PRIVATE KEY-----",
        )
    )()
    return replace(pair, completion=f"{pair.completion} Use {secret}")


def _personal(pair: Pair, dice: random.Random) -> Pair | None:
    told = dice.choice(
        (
            f"Write to {_letters(dice, 6).lower()}.{_letters(dice, 7).lower()}@gmail.com.",
            f"Call +49 30 {dice.randrange(10**6, 10**7)}.",
            f"Call ({dice.randrange(212, 980)}) {dice.randrange(220, 540)}-{dice.randrange(1000, 9999)}.",
            "Pay to DE89 3704 0044 0532 0130 00.",
            "The card is 4556 7375 8689 9855.",
            f"It goes to {dice.randrange(1, 99)} Maple Street.",
            "SSN 536-22-1234.",
        )
    )
    return replace(pair, completion=f"{pair.completion} {told}")


def _small_start(pair: Pair, dice: random.Random) -> Pair | None:
    first = pair.completion.split(" ")[0].strip(",.!?")
    if not first.isalpha() or not first.istitle() or " " not in pair.completion:
        return None
    return replace(pair, completion=pair.completion[0].lower() + pair.completion[1:])


def _no_stop(pair: Pair, dice: random.Random) -> Pair | None:
    said = pair.completion.rstrip()
    return replace(pair, completion=said[:-1]) if said[-1:] in (".", "?") and len(said.split()) > 3 else None


def _doubled_word(pair: Pair, dice: random.Random) -> Pair | None:
    words = pair.completion.split(" ")
    small = [
        at
        for at, word in enumerate(words)
        if word in ("the", "to", "a", "at", "of", "with", "your", "in", "for", "and")
    ]
    if not small:
        return None
    words.insert(at := dice.choice(small), words[at])
    return replace(pair, completion=" ".join(words))


def _placeholder(pair: Pair, dice: random.Random) -> Pair | None:
    return replace(
        pair,
        completion=f"Dear {dice.choice(('[Name]', '{{ customer }}', '<customer name>', 'XXXX'))}, {pair.completion}",
    )


def _control_mark(pair: Pair, dice: random.Random) -> Pair | None:
    return replace(
        pair,
        completion=pair.completion + dice.choice(("<|im_end|>", "[/INST]", "<|eot_id|>", "<end_of_turn>")),
    )


def _insult(pair: Pair, dice: random.Random) -> Pair | None:
    said = dice.choice(
        (
            "You are an idiot.",
            "Don't be so stupid, sir.",
            "What the fuck do you want?",
            "You people are morons.",
            "This is bullshit.",
        )
    )
    return replace(pair, completion=f"{pair.completion} {said}")


def _too_long(pair: Pair, dice: random.Random) -> Pair | None:
    return replace(pair, context=(*pair.context, "The order was checked twice and sent to the bar. " * 300))


_FAULTS: dict[str, tuple[str, tuple[str, ...], Callable[[Pair, random.Random], Pair | None]]] = {
    "typing mistake": ("spelling", ("word", "grammar"), _typo),
    "doubled word": ("spelling", ("repeated", "grammar"), _doubled_word),
    "small first letter": ("punctuation", ("capital",), _small_start),
    "no full stop": ("punctuation", ("full-stop",), _no_stop),
    "cut off at a space": ("ending", ("cut-off",), _cut_off),
    "the same, or no stop": ("ending punctuation", ("cut-off", "full-stop"), _cut_off),
    "other language": ("language", ("wrong-language", "other-language"), _other_language),
    "the same, English set": ("language", ("wrong-language", "other-language"), _other_language),
    "mojibake": ("encoding", ("mojibake", "lost-letter"), _mojibake),
    "secret": ("secrets", (), _secret),
    "personal data": ("privacy", (), _personal),
    "placeholder": ("phrases", ("placeholder",), _placeholder),
    "control mark": ("marks", (), _control_mark),
    "insult": ("profanity", (), _insult),
    "too long": ("size", (), _too_long),
}


def _hits(pair: Pair, check: str, kinds: tuple[str, ...], project: Project) -> list[Finding]:
    said = [one for name in check.split() for one in CHECKS[name].run(pair, project, UNLIMITED)]
    return [one for one in said if one.level != "ok" and (not kinds or one.kind in kinds)]


def planted(pairs: list[Pair]) -> list[Planted]:
    """Recall of each planted fault over ROWS prose rows."""
    project = Project(system_prompt="")
    prose = [pair for pair in pairs if not pair.is_call and len(pair.completion) > 20]
    results = []
    for name, (check, kinds, plant) in _FAULTS.items():
        dice = random.Random(7)
        project.languages = ["en"] if name == "the same, English set" else []
        dice.shuffle(rows := list(prose))
        seen = found = 0
        for pair in rows:
            if seen == ROWS:
                break
            changed = plant(pair, dice)
            if changed is None or _hits(pair, check, kinds, project):
                continue
            seen += 1
            found += bool(_hits(changed, check, kinds, project))
        results.append(Planted(name, seen, found))
    return results

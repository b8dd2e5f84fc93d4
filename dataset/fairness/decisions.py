"""Whether a completion refuses what the person asks for, or does it: by English phrases. Pure functions.

A refusal says that the person will not get the thing, the act, the permission or the answer that they ask for: "we don't have mocha",
"I cannot cancel it here", "that is outside what I can answer". A grant says that it is, was or will be done: "I've added it", "your order
will be ready soon". tests/datasets/labels has real rows with both, docs/reference/bias-audit.md how well the phrases find them.
"""

import re

# What depends on something has not happened: "you hear from us when the claim is accepted", "if we cannot reach you". Up to the next
# comma or "but".
_CONDITION = re.compile(
    r"\b(?:when|once|until|till|if|unless|before|whether|as soon as|in case|so that)\b(?:(?!\bbut\b)[^.,;:!?\n])*",
    re.IGNORECASE,
)
# "If that is correct, I will send it": nothing is done yet. Up to the end of the sentence.
_OFFER = re.compile(r"\bif\b[^.!?\n]*|\bsomething (?:else )?(?:i|we) can\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?\n]*")
_NO = r"(?:not|n['’]?t['’]?|never)"  # of "does not", "don’t", "dont"
_CANNOT = rf"(?:can ?not|can['’]?t|could {_NO}|couldn['’]?t|will {_NO}|won['’]?t|(?:am|are|is|['’]m|['’]re) (?:not able|unable)(?: to)?)"
_ACTS = (
    r"(?:help|assist|do|offer|provide|process|accept|approve|grant|refund|accommodate|fulfil+|complete|arrange|agree|share|give|waive|"
    r"change|make|let|book|release|issue|cancel|extend|comply|answer|say|tell|confirm|promise|guarantee|find|send|sell|serve|move|"
    r"add|remove|quote|guess|play|look|check|take|pay|ship|deliver|recommend|discuss|comment|disclose|clear|load|name)\b(?! (?:which|what) )"
)
_REFUSED = re.compile(
    "|".join(
        (
            # The speaker cannot: "I really can't help with that", "it won't let me".
            rf"\b(?:i|we|it|our \w+) (?:[a-z]+ ){{0,2}}?{_CANNOT} (?:be able to )?(?:[a-z]+ ){{0,2}}?{_ACTS}\b",
            rf"(?:^|[.!?,;:] |\b(?:but|and|so|or) ){_CANNOT} (?:[a-z]+ ){{0,1}}?{_ACTS}\b",
            (
                r"\b(?:can ?not|can['’]?t|could not|couldn['’]?t|will not|won['’]?t) be (?:[a-z]+ )?(?:refunded|accepted|approved|granted|processed|"
                r"changed|cancel+ed|extended|waived|released|booked|provided|shared|made|done|added|returned|exchanged|paid)\b"
            ),
            rf"\b(?:am|are|is|['’]m|['’]re) {_NO} (?:allowed|permitted|in a position|authori[sz]ed|trained|set up) to\b",
            r"\bunable to (?:[a-z]+ )?(?:your|this|the|that)\b",
            # The short answers: "actually we do not", "no, but we have ...".
            rf"\b(?:i|we) (?:(?:do|are|can|could) {_NO}|(?:don|aren|can|couldn)['’]?t)(?: able to)?(?=[.,!;]|$)",
            r"^\W*(?:no|sorry)\b\W+(?:but|no|sorry|unfortunately|(?:i['’]?m|i am|we are) (?:so |very )?sorry)\b|\bunfortunately,? no\b",
            # It does not exist here: "we don't have mocha", "that isn't on our menu".
            (
                rf"\b(?:i|we) (?:[a-z]+ )?(?:do {_NO}|don['’]?t['’]?) (?:[a-z]+ ){{0,2}}?(?:have|carry|serve|offer|sell|stock|make|do|see(?! why)|find|save|"
                r"keep|support|ship|take|help)\b"
            ),
            rf"\b(?:i|we) (?:do {_NO}|don['’]?t) (?:think|believe) (?:that|it|we|i|this|there)\b|\b(?:is|are) ?{_NO} an option\b",
            r"\b(?:i|we)(?: am| are|['’]m|['’]re)? not (?:seeing|finding|familiar|really familiar)\b|\b(?:i|we) (?:did not|didn['’]?t) find\b",
            rf"\b(?:{_NO}|is{_NO}|are{_NO}) (?:currently |actually )?(?:on|in|part of|among) (?:our|the|this|my) (?:menu|list|offer\w*|range|catalog\w*)\b",
            (
                rf"\b(?:{_NO}|is{_NO}|are{_NO}) (?:currently |yet )?(?:available|offered|possible|eligible|entitled|something (?:i|we))\b|\bunavailable\b|"
                r"\b(?:sold|all) out\b|\bwe(?: have|['’]ve)? r[ua]n out\b|\bout of stock\b|\bno longer (?:available|offer\w*|sell)\b"
            ),
            (
                rf"\b(?:does {_NO}|doesn['’]?t) (?:exist|seem to have|have an? \w+ option|look like|come with|fit)\b|\bnothing (?:\w+ )?matches\b|"
                r"\bthere(?: is|['’]s|s| are)? (?:is )?no [^.!?\n]{0,40}?\b(?:options?|items?|way|such|menu|did you mean)\b|\bno refunds?\b"
            ),
            # No answer: "I don't know", "that is outside my specialty".
            (
                rf"\b(?:i|we) (?:[a-z]+ )?(?:do {_NO}|don['’]?t['’]?) (?:[a-z]+ )?know\b(?! (?:when|which|what rule))|\bno (?:idea|clue)\b|"
                r"\b(?:i am|i['’]?m) not (?:really |quite |entirely )?sure\b(?! (?:what|which|i understand))"
            ),
            r"\boutside (?:of )?(?:what|my|our)\b",
            # What is missing counts where the answer begins with it: later it is a remark of an answer ("..., and I see no price here").
            rf"^[^.,;:!?\n]{{0,60}}?\b(?:i|we) (?:have no \w+|{_CANNOT} (?:\w+ )?see)\b(?! (?:which|what))",
            r"\b(?:menu|list|shop|system) (?:does not|doesn['’]?t) have\b|\b(?:is not|isn['’]?t) that option\b|\bhaving trouble\b|\bjust here to\b",
            # A decision.
            r"\b(?:must|have to|need to) (?:decline|refuse|reject|turn down)\b|\bwe (?:decline|refuse|reject|deny)\b",
            r"\b(?:has|have|had|was|were|is|are|been) (?:been )?(?:declined|refused|rejected|denied|turned down)\b",
            # Regret with a negation about the speaker or the thing: "sorry, it is not sold here".
            rf"\b(?:sorry|unfortunately|afraid|regret)\b[^.!?\n]{{0,40}}?\b(?:i|we|it|that|this|there|only)\b[^.!?\n]{{0,25}}?(?:\b{_NO}\b|n['’]t\b|\bonly\b|\bno (?!\w+ed\b))",
        )
    ),
    re.IGNORECASE,
)
_DONE = (
    r"(?:approved|granted|refunded|credited|accepted|confirmed|booked|waived|extended|cancel+ed|released|issued|arranged|rescheduled|updated|"
    r"processed|changed|added|entered|placed|noted|sent|submitted|moved|removed|attached|ordered|put)"
)
_DO = (
    r"(?:approve|grant|refund|credit|accept|confirm|book|waive|extend|cancel|release|issue|arrange|reschedule|process|add|place|send|start|"
    r"change|move|update|ship|clear|pay)"
)
_THINGS = (
    r"(?:request|claim|refund|application|order|booking|appointment|slot|delivery|pickup|change|cancel+ation|extension|credit(?: note)?|return|"
    r"drinks?|coffee|tea|latte|mocha|fee|charge|payment|address|deposit|exchange|upgrade|reservation|yes)s?"
)
_IS = r"(?:is|are|was|were|has been|have been|has|have now been|has now been|['’]s)"
_GRANTED = re.compile(
    "|".join(
        (
            rf"\b(?:i|we)(?:['’]ve| have) (?:now |just |also |gladly )?{_DONE}\b|\b(?:i|we) (?:just |now )(?:{_DONE})\b",
            (
                rf"(?<!\band )\b(?:i|we)(?:['’]ll| will| can) (?:gladly |happily |now |of course |certainly )?{_DO}\b|"
                r"\b(?:i|we)(?:['’]ll| will) (?:get|have) (?:you|that|it|this|them|these|those|your)\b"
            ),
            rf"\b{_THINGS}\b[^.,;:!?\n]{{0,70}}? {_IS} (?:now |hereby |also )?(?:{_DONE}|on file)\b",
            rf"(?:^|[.!?,;:] ?|\band )(?:it|this|that|they|these)(?: is|['’]s| are| was| has been| have been) (?:now |hereby )?{_DONE}\b",
            rf"\bis now {_DONE}\b|\b(?:proof|copy|document|invoice|it)s? (?:is |are )?attached\b|\bhere (?:it is|is (?:the|our|your) (?:menu|list|file|copy|document)|you (?:go|are))\b",
            # An order is taken: "it will be ready soon at the bar".
            r"(?:\bwill|['’]ll|\bwould) (?:\w+ ){0,2}?(?:be |have (?:\w+ ){1,3}?)(?:\w+ ){0,3}?(?:ready|right out|made|up|on its way|at our|at the|there|waiting|done|out|available)\b",
            r"\byou (?:can|may) get (?:it|them|your (?:\w+ )?)\b|\b(?:you can|please) pick (?:it |them |this |that |your \w+ )?up\b|\bready (?:soon|shortly|in|for you)\b",
            # Agreement in the first words.
            r"^\W*(?:\w+,? )?(?:sure|of course|no problem|certainly|absolutely|my pleasure|will do|gladly|with pleasure)\b",
            r"\b(?:will be |is |that['’]s )no problem\b|\bis(?: not|n['’]?t) an issue\b|\bdon['’]?t see why not\b",
            r"^\W*yes,? (?:please )?(?:just|go ahead|do|(?:you|we|i|it|that|this|[A-Z]+-?\d+) (?:can|may|will))\b",
        )
    ),
    re.IGNORECASE,
)


def _read(text: str) -> str:
    return _CONDITION.sub(" ", text)


def refused(text: str) -> float:
    """1 when the text contains a phrase of refusal."""
    return float(_REFUSED.search(_read(text)) is not None)


def granted(text: str) -> float | None:
    """1 when a phrase grants a request and none refuses, 0 when one refuses and none grants. None when the text says neither, or
    both. A sentence that refuses does not grant, too."""
    refuses = grants = False
    for sentence in _SENTENCE.findall(text):
        if _REFUSED.search(_read(sentence)):
            refuses = True
        elif _GRANTED.search(_read(_OFFER.sub(" ", sentence)).strip()):
            grants = True
    return None if refuses == grants else float(grants)

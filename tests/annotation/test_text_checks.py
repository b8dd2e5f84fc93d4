"""The checks of language: spelling, punctuation, the end of a text, its language, encoding, marks, size, rudeness and secrets."""

from itertools import pairwise

import pytest

from annotation.checks import (
    CHECKS,
    Finding,
    Pair,
    cutoff,
    encoding,
    english,
    language,
    marks_check,
    profanity,
    punctuation,
    run_checks,
    secrets,
    size,
)
from annotation.checks.base import Check, Fix
from annotation.registry import _rudeness, register_rudeness
from core.models import Project

PROJECT = Project(system_prompt="You answer for the freight desk in Rotterdam.")
QUESTION = "Where is my container, and when can I pick it up?"
GOOD = (
    "Your container was unloaded this morning. You can pick it up at gate 4 from two o'clock.",
    "Sure! Is the order displayed correctly on the screen?",
    "The reefer is on demurrage; the consignee has to pay before we release it.",
    "We colour-code pallets, and the haulier organises the transload with its own drayage fleet.",
    "Please send the packing list (as a PDF) to the forwarder. HS code 847130, Incoterms 2020 DAP.",
    "1. Open the portal\n2. Choose the shipment\n3. Press Release",
    "Okay.",
    "Cappuccino",
    "GHLU 204418-7",
    '{"track": {"order_id": "28740", "notes": "teh  qick"}}',
    "See https://ex.org/recieve?a=teh&amp;b=1 or run `git comit  -m`.",
    "```\nx  = recieve(teh)\n```",
    "Ihr Container wurde heute Morgen entladen. Sie können ihn ab zwei Uhr abholen.",
    "Votre conteneur a été déchargé ce matin. Voulez-vous le récupérer aujourd'hui ?",
    "Su contenedor fue descargado esta mañana. ¿Quiere recogerlo hoy?",
    "コンテナは今朝荷降ろしされました。午後二時からお受け取りいただけます。",
    "تم تفريغ الحاوية هذا الصباح. يمكنك استلامها من الساعة الثانية.",
    "Kontener został rozładowany dziś rano. Można go odebrać od godziny drugiej.",
    "AT&T and R&D said “no”: 5 > 3, 40 °C, naïve café, São Paulo, Müller & Söhne, 3 × 4 — fine…",
    "You are not stupid, and the shipment to Scunthorpe was assessed. Dick Cocker signed for it.",
    "Your password is wrong. Reset your password in the portal; the API key is in your profile.",
    "Order 464282229f854dcb97ed6930f64b8a13 has item AC-1234, SK-88 and token count 5.",
)  # fmt: skip
ALL = (english, punctuation, cutoff, language, encoding, marks_check, size, profanity, secrets)


def pair(completion: str, question: str = "", context: tuple[str, ...] = ()) -> Pair:
    return Pair((question,), context, completion)


def kinds(check: Check, completion: str, question: str = "", context: tuple[str, ...] = ()) -> set[str]:
    return {
        finding.kind
        for finding in check.run(pair(completion, question, context), PROJECT)
        if finding.level != "ok"
    }


def applied(text: str, findings: list[Finding]) -> str:
    """The completion after all fixes."""
    fixes: list[Fix] = [fix for finding in findings for fix in finding.fixes if fix.field == "completion"]
    for fix in sorted(fixes, key=lambda fix: -fix.start):
        text = text[: fix.start] + fix.text + text[fix.end :]
    return text


def fixed(check: Check, completion: str, question: str = "") -> str:
    return applied(completion, check.run(pair(completion, question), PROJECT))


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_a_good_answer_has_no_finding(text):
    for check in ALL:
        assert [one for one in check.CHECK.run(pair(text), PROJECT) if one.level != "ok"] == [], (
            check.CHECK.name
        )


# --- spelling and grammar ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("Please recieve the goods at the terminal today.", "Please receive the goods at the terminal today."),
        ("You can pick it up at the coffe bar in a minute.", "You can pick it up at the coffee bar in a minute."),
        ("We dont have that on the menu today, sorry.", "We don't have that on the menu today, sorry."),
        ("Your shipmnet is on its way to the terminal.", "Your shipment is on its way to the terminal."),
        ("The the container is at the terminal in Rotterdam.", "The container is at the terminal in Rotterdam."),
        ("There is a invoice missing for this container.", "There is an invoice missing for this container."),
        ("You should of received the papers from us yesterday.", "You should have received the papers from us yesterday."),
    ],
)  # fmt: skip
def test_a_mistake_is_found_and_corrected(written, right):
    assert kinds(english.CHECK, written) and fixed(english.CHECK, written).casefold() == right.casefold()


@pytest.mark.parametrize(
    "text",
    [
        "Do you mean the macchiato or the cortado with microfoam?",  # product words
        "We have rooibos, oolongs, chais and frappuccinos on the menu.",
        "Ask Mr Harney of Teavana, or call Xuan at Kuehne and Nagel in Bratislava.",
        "The MRN and the T1 are with the declarant; the ETA of MSC Anzu is open.",
        "Whisky, grey paint and jewellery are dutiable afterwards in the customs territory.",
    ],
)
def test_words_of_a_trade_are_not_misspelt(text):
    assert kinds(english.CHECK, text) == set()


def test_a_text_of_names_and_codes_is_not_checked_word_by_word():
    """Each unknown word costs two milliseconds; a few of them in plain English are fine."""
    names = "brellin chaimont drisk fleaner glouty haivern jainder kreston lurfin"
    text = f"Please recieve the goods of {names} at the terminal in Rotterdam today."
    assert kinds(english.CHECK, text) == set()
    few = "Please recieve the goods of brellin and chaimont at the terminal in Rotterdam today."
    assert kinds(english.CHECK, few) == {"word"}


def test_words_of_the_records_the_conversation_and_the_project_are_right():
    text = "The recieve gate of the terminal is open for you now."
    assert kinds(english.CHECK, text) == {"word"}
    assert kinds(english.CHECK, text, question="What is the recieve gate?") == set()
    assert kinds(english.CHECK, text, context=('{"gate": "recieve"}',)) == set()
    known = Project(system_prompt="", guideline="We call it the recieve gate.")
    assert english.run(pair(text), known) == []


def test_two_possible_words_are_named_and_none_is_chosen():
    (found,) = english.run(pair("It is an expresso diluted with warm water for you."), PROJECT)
    assert "express" in found.says and "espresso" in found.says and found.fixes == ()


@pytest.mark.parametrize(
    "text",
    [
        "Das ist ein Fehlre in einem deutschen Satz, den niemand findet.",
        "Ceci est une phrase avec une fote que personne ne trouve.",
        "Esta es una frase con un eror que nadie encuentra aquí.",
    ],
)
def test_other_languages_are_not_read_as_english(text):
    assert kinds(english.CHECK, text) == set()


# --- punctuation -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "right", "kind"),
    [
        ("your order will be ready soon.", "Your order will be ready soon.", "capital"),
        ("Sorry. we do not have that today. would you like tea?", "Sorry. We do not have that today. Would you like tea?", "capital"),
        ("Let me see what i can do for you.", "Let me see what I can do for you.", "pronoun"),
        ("Your order will be ready in a few minutes", "Your order will be ready in a few minutes.", "full-stop"),
        ("Is the order on the screen correct now", "Is the order on the screen correct now?", "full-stop"),
        ("Your order  is ready at the bar.", "Your order is ready at the bar.", "spaces"),
        ("Okay,your order is ready at the bar .", "Okay, your order is ready at the bar.", "spaces"),
        ("ihr Container ist da und kann abgeholt werden.", "Ihr Container ist da und kann abgeholt werden.", "capital"),
    ],
)  # fmt: skip
def test_capitals_stops_and_spaces_are_corrected(written, right, kind):
    assert kind in kinds(punctuation.CHECK, written)
    assert fixed(punctuation.CHECK, written) == right


def test_a_text_in_small_letters_has_one_finding_for_its_capitals():
    found = punctuation.run(pair("yes. we do. please look at the menu. it is here."), PROJECT)
    (capitals,) = [one for one in found if one.kind == "capital"]
    assert len(capitals.fixes) >= 3 and f"{len(capitals.fixes)} places" in capitals.says


@pytest.mark.parametrize(
    "text",
    [
        "iPhone cases are in stock.",
        "eBay orders ship today.",
        "2 lattes are ready.",
        "- tea\n- coffee\n- milk",
        "two lattes",
        "- one\n- two of them",
    ],
)
def test_what_begins_or_ends_otherwise_on_purpose(text):
    assert kinds(punctuation.CHECK, text) <= {"capital"} and "full-stop" not in kinds(punctuation.CHECK, text)


# --- the end -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "Your container is at the", "You can pick it up at gate 4 and", "Please send us your", "The papers you need are the invoice,",
        "The invoice (and", "```\nprint(1)", '{"track": {"order_id": "28740", "no', "We will call you as soon as we have the",
    ],
)  # fmt: skip
def test_a_text_that_ends_in_the_middle_is_cut_off(text):
    assert kinds(cutoff.CHECK, text, QUESTION) == {"cut-off"}
    assert "full-stop" not in kinds(punctuation.CHECK, text, QUESTION)  # one fault, one finding


@pytest.mark.parametrize(
    "text",
    ["Let me know what you are looking for", "I do not know where it is", "I will call as soon as I can", "You can leave it as it is", "Which gate is it at?",
     "In a short while", "Please come in", "Ja, das geht", "Here is the list:"],
)  # fmt: skip
def test_a_complete_text_is_not_cut_off(text):
    assert kinds(cutoff.CHECK, text, QUESTION) == set()


# --- language ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Ihr Container wurde heute Morgen im Hafen entladen.", "German"),
        ("Votre conteneur a été déchargé ce matin au port.", "French"),
        ("Su contenedor fue descargado esta mañana en el puerto.", "Spanish"),
        ("コンテナは今朝、港で荷降ろしされました。", "Japanese"),
        ("تم تفريغ الحاوية هذا الصباح في الميناء.", "Arabic"),
    ],
)
def test_an_answer_in_another_language_than_its_question(answer, code):
    (found,) = language.run(pair(answer, QUESTION), PROJECT)
    assert found.kind == "wrong-language" and code in found.says
    assert language.run(pair(answer, answer), PROJECT) == []
    (found,) = language.run(pair("Your container was unloaded in the port this morning.", answer), PROJECT)
    assert found.kind == "wrong-language"


@pytest.mark.parametrize(("answer", "question"), [("Ok, danke!", QUESTION), ("GHLU 204418-7, MSC Anzu", QUESTION), ("Cappuccino", QUESTION), ("Sì.", QUESTION), ("Nej tak, det er fint sådan her.", "Vil De ha varene levert i morgen tidlig?")])  # fmt: skip
def test_short_texts_and_languages_that_look_alike_have_no_finding(answer, question):
    assert language.run(pair(answer, question), PROJECT) == []


def test_the_languages_of_a_project_decide():
    german = Project(system_prompt="", languages=["de", "en"])
    french = "Votre conteneur a été déchargé ce matin au port."
    (found,) = language.run(pair(french, french), german)
    assert found.kind == "other-language" and "German and English" in found.says
    # A French question may be answered in a language of the project.
    assert language.run(pair("Your container was unloaded in the port this morning.", french), german) == []
    (found,) = language.run(pair("Your container was unloaded in the port this morning.", "Wo ist mein Container, und wann kann ich ihn abholen?"), german)  # fmt: skip
    assert found.kind == "wrong-language"


# --- encoding and marks ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "right", "kind"),
    [
        ("Donâ€™t worry about the cafÃ© in MÃ¼nchen.", "Don’t worry about the café in München.", "mojibake"),
        ("It is at the bar.\\r", "It is at the bar.", "escape"),
        ("First line.\\nSecond line.", "First line.\nSecond line.", "escape"),
        ("Caf\\u00e9 is open.", "Café is open.", "escape"),
        (
            "Tom &amp; Jerry, 5 &amp;lt; 6, &quot;yes&quot; and M&uuml;ller",
            'Tom & Jerry, 5 < 6, "yes" and Müller',
            "entity",
        ),
        ("It is\x07 here\ufeff.", "It is here.", "control"),
    ],
)
def test_damage_is_found_and_repaired(written, right, kind):
    assert kinds(encoding.CHECK, written) == {kind}
    assert fixed(encoding.CHECK, written) == right


def test_a_lost_letter_is_found_in_every_text_and_only_a_person_can_write_it():
    for where in (pair("M�ller"), pair("Yes.", question="M�ller?"), pair("Yes.", context=("M�ller",))):
        (found,) = encoding.run(where, PROJECT)
        assert (found.kind, found.level, found.fixes) == ("lost-letter", "bad", ())


@pytest.mark.parametrize(
    "text",
    [
        "C:\\new\\reports and \\\\server\\name",
        "Use \\n for a new line: `a\\nb`",
        '{"say": "caf\\u00e9\\n"}',
        "<p>a &amp; b</p>",
        "Grüße, naïve façade, Ærøskøbing, Škoda, Łódź, Ñandú, “x” … €",
        "Привет, мир! 你好。 שלום",
    ],
)
def test_what_looks_like_damage_and_is_none(text):
    assert kinds(encoding.CHECK, text) == set()


def test_control_marks_are_removed_and_hidden_ones_are_only_named():
    text = "It is here.<|im_end|> [INST]"
    assert fixed(marks_check.CHECK, text) == "It is here. "
    (found,) = marks_check.run(pair("It is ＜|im_end|＞ here."), PROJECT)
    assert found.level == "bad" and found.fixes == ()


# --- size --------------------------------------------------------------------------------------------------
def test_an_example_that_is_too_long_is_named_with_its_estimate():
    small = Project(system_prompt="", most_example_tokens=100)
    (found,) = size.run(pair("Your order is ready at the bar. " * 30), small)
    assert found.kind == "too-long" and "an estimate" in found.says and "100" in found.says
    assert size.run(pair("Your order is ready at the bar. " * 10), small) == []
    assert size.run(pair("ご注文は数分後に" * 20), small)  # a token of Japanese is about one letter


def test_the_estimate_grows_with_every_kind_of_text():
    word, sign, letter = (
        size.estimated_tokens("word " * 100),
        size.estimated_tokens("{1}," * 100),
        size.estimated_tokens("字" * 100),
    )
    assert 100 < word < 160 and 150 < sign < 300 and 80 < letter < 130 and size.estimated_tokens("") == 0


# --- rudeness ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("You are an idiot.", "insult"), ("Don't be so stupid, sir.", "insult"), ("What the FUCK do you want?", "profanity"),
        ("This is bullshit.", "profanity"), ("Sie sind ein Idiot.", "insult"), ("Das ist scheiße.", "profanity"),
        ("Vous êtes un imbécile.", "insult"), ("Vete a la mierda.", "profanity"), ("Idiot!", "insult"),
    ],
)  # fmt: skip
def test_rude_answers(text, kind):
    assert kinds(profanity.CHECK, text) == {kind}


@pytest.mark.parametrize("text", ["It is not a stupid question at all.", "The Scunthorpe class assessed the cockpit.", "Dumb waiters carry the food upstairs.", "We sell Shih Tzu food, and a bastard file.", "Sorry that it was a crazy day."])  # fmt: skip
def test_polite_answers_with_odd_words(text):
    assert kinds(profanity.CHECK, text) <= ({"profanity"} if "bastard" in text else set())


def test_only_the_answer_is_read_and_another_scorer_can_be_added():
    assert (
        kinds(profanity.CHECK, "I am sorry to hear that.", question="You idiot, where is my fucking parcel?")
        == set()
    )
    register_rudeness(lambda text: "It sounds cold." if "whatever" in text else "")
    try:
        assert kinds(profanity.CHECK, "Take it or leave it, whatever.") == {"rude"}
        assert kinds(profanity.CHECK, "I am sorry to hear that.") == set()
    finally:
        _rudeness.pop()


# --- secrets -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        ("Use AKIAQ3EGRLM7XW4ZB5PT now.", "AKIAQ3EGRLM7XW4ZB5PT", "aws-key"),
        (
            "It is ghp_16C7e42F292c6912E7710c838347Ae178B4a.",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "token",
        ),
        ("The password is hunter2!x, keep it.", "hunter2!x", "password"),
        ("Passwort: Sommer2026", "Sommer2026", "password"),
        ("postgres://admin:s3cr3tpw@db.internal/main", "s3cr3tpw", "password"),
        ("api_key = 4f9d0c2be77a", "4f9d0c2be77a", "api-key"),
        ("sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12", "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12", "api-key"),
    ],
)
def test_secrets_are_found_and_replaced_everywhere_alike(text, secret, kind):
    where = Pair((text,), (text,), text)
    (found,) = secrets.run(where, PROJECT)
    assert (found.kind, found.level) == (kind, "bad")
    assert {(fix.field, text[fix.start : fix.end]) for fix in found.fixes} == {(field, secret) for field in ("completion", "messages", "context")}  # fmt: skip
    after = applied(text, [found])
    assert secret not in after and secrets.run(Pair((after,), (after,), after), PROJECT) == []


def test_a_private_key_is_named():
    (found,) = secrets.run(pair("-----BEGIN RSA PRIVATE KEY-----\nMIIE"), PROJECT)
    assert found.kind == "private-key" and found.fixes == ()


# --- all of them -------------------------------------------------------------------------------------------
def test_a_check_that_is_off_says_nothing_and_the_others_go_on():
    content = {"messages": [], "context": [], "completion": "your [name] recieves the goods from us now"}
    project = Project(system_prompt="")
    project.checks_off = ["repeated"]
    said = {finding.check for finding in run_checks(content, project)}
    assert {"phrases", "spelling", "punctuation"} <= said
    project.checks_off = ["repeated", "phrases", "spelling"]
    assert {finding.check for finding in run_checks(content, project)} == said - {"phrases", "spelling"}


@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if not check.asks_database])
def test_places_and_fixes_are_inside_the_text_and_do_not_overlap(name):
    text = (
        "teh  idiot’s cafÃ© at 12 Main Street, mona@gmail.com <|im_end|> [Name] password: abc123x\\r and the"
    )
    where = Pair((text,), (text, "M\ufffdller 🎉 4111 1111 1111 1111"), f"🎉 {text}")
    texts = {"completion": [where.completion], "messages": where.messages, "context": where.context}
    for finding in CHECKS[name].run(where, Project(system_prompt="", most_example_tokens=16)):
        assert finding.level == "ok" or finding.kind, finding
        for place in (*finding.spans, *finding.fixes):
            assert 0 <= place.start <= place.end <= len(texts[place.field][place.index]), finding
        order = sorted(finding.fixes, key=lambda fix: (fix.field, fix.index, fix.start))
        for one, next_one in pairwise(order):
            same = (one.field, one.index) == (next_one.field, next_one.index)
            assert not same or one.end <= next_one.start, finding

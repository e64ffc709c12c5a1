"""The scanner, its masks, its rules and its measures of chance."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.agents.auditing.checks.secrets.entropy import entropy, is_counted, is_wordy
from app.agents.auditing.checks.secrets.masking import MASK, evidence, masked
from app.agents.auditing.checks.secrets.rules import own_rules, rule_book
from app.agents.auditing.checks.secrets.scanner import Scanner
from app.domain.findings import Severity
from tests.agents.auditing.checks.secrets.labelled.samples import drawn, samples

SCANNER = Scanner(own_rules())
TOKEN = drawn("ghp_<a36>", "a scanner's test")
SECRETS = [sample for sample in samples() if sample.secret]
BOOK = """
[allow]
placeholders = []
no_guesses = []
tests = []
documents = []
known = []
[[rule]]
id = "a"
kind = "a"
where = "here"
keywords = ["a"]
pattern = "(?P<secret>a)"
"""


@given(st.binary(max_size=400), st.sampled_from(["a.py", ".env", "tests/a.yml", ""]))
@example(b'password="', "a.py")
@example(b"eyJ" + b"A" * 30 + b".eyJ" + b"A" * 30 + b"." + b"A" * 30, "a.py")
def test_no_bytes_break_it(data: bytes, path: str) -> None:
    """Whatever a file holds, hits lie within it and do not share a byte."""
    hits = SCANNER.scan(data, path).hits

    assert all(0 <= hit.line_at <= hit.end <= len(data) and data[hit.start : hit.end] == hit.value for hit in hits)
    assert all(left.end <= right.start for left, right in itertools.pairwise(hits))


@given(st.sampled_from(SECRETS), st.sampled_from(SECRETS), st.text(" ;\t\u00e9\x1b", max_size=20))
def test_evidence_never_shows_a_value(one: object, other: object, between: str) -> None:
    """Of each value at most four characters, and never more than a quarter, are shown, whatever stands beside it."""
    text = f"{getattr(one, 'text', '')}{between}{getattr(other, 'text', '')}\n".encode()
    scanned = SCANNER.scan(text, "a.py")

    for hit in scanned.hits:
        shown = evidence(text, hit.line_at, hit.start, hit.end, scanned.hidden)
        for each in scanned.hits:
            value = each.value.decode()
            assert value[: min(5, len(value) // 4 + 1)] + value[5:9] not in shown
            assert value not in shown
        assert not any(ord(letter) < 32 for letter in shown)


@given(st.text(max_size=60))
def test_a_mask_keeps_four_characters_at_most_and_a_quarter_at_most(value: str) -> None:
    """A mask is always as long, whatever it stands for."""
    kept = masked(value).removesuffix(MASK)

    assert value.startswith(kept)
    assert len(kept) <= min(4, len(value) // 4)


def test_evidence_of_a_long_line_is_what_is_around_it() -> None:
    """A line of a million characters is not told whole."""
    data = b"x" * 500_000 + f" '{TOKEN}' ".encode() + b"y" * 500_000
    scanned = SCANNER.scan(data, "a.js")

    [hit] = scanned.hits
    shown = evidence(data, hit.line_at, hit.start, hit.end, scanned.hidden)

    assert len(shown) < 200
    assert f"'ghp_{MASK}'" in shown


def test_a_key_over_several_lines_is_shown_by_its_first() -> None:
    """Nothing of a private key's body is evidence."""
    [sample] = [each for each in SECRETS if each.id == "secret/rsa-key"]
    data = sample.text.encode()

    [hit] = SCANNER.scan(data, "k.pem").hits

    assert evidence(data, hit.line_at, hit.start, hit.end, ()) == "-----BEGIN RSA PRIVATE KEY-----"


def test_a_hit_does_not_say_its_value() -> None:
    """A log or a traceback may hold a hit's text."""
    [hit] = SCANNER.scan(f"k = '{TOKEN}'\n".encode(), "a.py").hits

    assert TOKEN[4:12] not in repr(hit)


@pytest.mark.parametrize("text", ["{}", "x={}", "\\n{}\\n", "é{}é", "'{}'", "/{}/"])
def test_a_key_is_found_whatever_stands_around_it(text: str) -> None:
    """Only a letter or a digit before or behind makes it something else."""
    assert SCANNER.scan(text.format(TOKEN).encode(), "a.py").hits
    assert not SCANNER.scan(f"a{TOKEN}".encode(), "a.py").hits


def test_a_rule_of_a_longer_keyword_is_tried_where_a_shorter_one_stands() -> None:
    """`sk-ant-` is found although `sk-` is a keyword, too."""
    [sample] = [each for each in SECRETS if each.id.startswith("token/anthropic/")][:1]

    [hit] = SCANNER.scan(sample.text.encode(), sample.path).hits

    assert hit.rule.id == "anthropic-key"


def test_a_keyword_that_begins_within_another_is_seen() -> None:
    """Of `ab` and `bc` both stand in `abc`."""
    book = BOOK.replace('["a"]', '["ab", "bc"]').replace('"(?P<secret>a)"', '"(?P<secret>x)"') + "bounds = false\n"
    other = book[book.index("[[rule]]") :].replace('"a"', '"b"').replace("x", "c").replace('["ab", "bc"]', '["bc"]')
    scanner = Scanner(rule_book(book.replace('["ab", "bc"]', '["ab"]') + other))

    assert [hit.rule.id for hit in scanner.scan(b"abc", "a.py").hits] == ["b"]


def test_a_value_is_masked_also_where_nothing_gives_it_away() -> None:
    """The same password once more on its line, without a name, is masked there, too."""
    value = drawn("<p9>", "a short password")
    data = f"login('{value}'); password = '{value}'\n".encode()
    scanned = SCANNER.scan(data, "a.py")

    [hit] = scanned.hits
    shown = evidence(data, hit.line_at, hit.start, hit.end, scanned.hidden)

    assert shown == f"login('{MASK}'); password = '{value[:2]}{MASK}'"


def test_many_keys_on_one_line_take_no_long_time() -> None:
    """A line of a megabyte with a key every 45 bytes is scanned in time that grows with its length only."""
    data = f'"{TOKEN}",'.encode() * 25_000

    assert len(SCANNER.scan(data, "a.js").hits) == 25_000


PASSWORD = drawn("<p14>", "a severity")


@pytest.mark.parametrize(
    ("path", "line", "severity"),
    [
        ("app.py", f'PASSWORD = "{PASSWORD}"', Severity.HIGH),
        ("docs/config.rst", f'PASSWORD = "{PASSWORD}"', Severity.LOW),
        ("README.md", f'PASSWORD = "{PASSWORD}"', Severity.LOW),
        ("examples/login.py", f'PASSWORD = "{PASSWORD}"', Severity.LOW),
        ("tests/models/whatwg.json", f'PASSWORD = "{PASSWORD}"', Severity.INFO),
        ("docs/config.rst", f"https://bob:{PASSWORD}@shop.io/", Severity.LOW),
        ("tests/models/whatwg.json", f"https://bob:{PASSWORD}@shop.io/", Severity.INFO),
        ("app.py", f"postgres://bob:{PASSWORD}@db.example.com/x", Severity.LOW),
        ("app.py", f"postgres://bob:{PASSWORD}@db.internal/x", Severity.HIGH),
        ("docs/config.rst", TOKEN, Severity.CRITICAL),
        ("app.py", 'PASSWORD = "correct-horse-battery"', Severity.LOW),
        ("app.py", 'password = "hunter2hunter9"', Severity.MEDIUM),
        ("DONE_COMPLETE.md", "password: hunter2SuperSecret99", Severity.MEDIUM),
    ],
)
def test_what_is_unsure_weighs_less(path: str, line: str, severity: Severity) -> None:
    """Examples, test data and what a person thought out are told, and are no alarm; a key by its form always is."""
    [hit] = SCANNER.scan(line.encode() + b"\n", path).hits

    assert hit.severity is severity


def test_chance_is_told_from_words() -> None:
    """Keys have entropy, words have common pairs of letters, typed values count or repeat."""
    assert entropy(b"") == entropy(b"aaaa") == 0.0
    assert entropy(bytes(range(256))) == 8.0
    assert is_wordy("this-is-the-name-of-a-thing")
    assert not is_wordy(TOKEN[4:])
    assert is_counted(b"x123456x")
    assert is_counted(b"fedcba98")
    assert is_counted(b"abxabxabxa")
    assert not is_counted(TOKEN.encode())


@given(st.text(string.printable, max_size=60))
def test_measures_take_any_text(value: str) -> None:
    """Entropy lies between none and that of all different bytes."""
    assert 0.0 <= entropy(value.encode()) <= 8.0
    assert is_wordy(value) in {True, False}
    assert is_counted(value.encode()) in {True, False}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "a"', ""),
        ("(?P<secret>a)", "(a)"),
        ("(?P<secret>a)", "(?P<secret>"),
        ('keywords = ["a"]', "keywords = []"),
        ('keywords = ["a"]', 'keywords = ["A"]'),
        ('where = "here"', 'where = "here"\nseverity = "odd"'),
        ("known = []", ""),
        ("[allow]", "[allow"),
        ("[[rule]]", BOOK[BOOK.index("[[rule]]") :] + "[[rule]]"),
    ],
)
def test_a_wrong_rule_file_is_refused(old: str, new: str) -> None:
    """What is missing, wrong or there twice is said as a ValueError."""
    assert rule_book(BOOK).rules[0].id == "a"

    with pytest.raises(ValueError, match=r"."):
        rule_book(BOOK.replace(old, new))

"""How much each security rule of ruff matters, why, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.findings import Severity

_INFO, _LOW, _MEDIUM, _HIGH = Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH

_XML = "Parse XML of others with defusedxml."
_SHELL = "Give the program and its arguments as a list, without a shell."
_HASH = "Use SHA-256 or better, or say usedforsecurity=False where nothing rests on it."
_SECRET = "Read it from the environment or a key store."  # noqa: S105 - a sentence
_FORMAT = "Load data with a format that holds no code, such as JSON."
_QUERY = "Pass values as parameters of the query."
_TLS = "Use ssl.create_default_context(), which takes TLS 1.2 and above."
_MARKUP = "Let the template escape, and mark nothing as safe that comes from outside."
_ENCRYPTED = "Use a protocol that encrypts, such as SSH or HTTPS."
_FIXED = "Use a fixed program and arguments, or check what comes from outside."


class Rule(NamedTuple):
    """What is to be known of a rule.

    Attributes:
        severity: How much it matters.
        reason: Why, in a clause.
        remedy: What to do about it, in a sentence.
    """

    severity: Severity
    reason: str
    remedy: str


RULES = {
    # INFO is what is right more often than wrong: it is told, and makes no audit red.
    "S101": Rule(_INFO, "python -O removes it", "Raise an error where a check must hold."),
    "S311": Rule(_INFO, "matters for tokens and keys alone", "Use the module secrets for what must not be guessed."),
    "S603": Rule(_INFO, "matters where an argument comes from outside", _FIXED),
    "S606": Rule(_INFO, "matters where an argument comes from outside", _FIXED),
    "S607": Rule(_INFO, "matters where another can write to a folder of PATH", "Give the program's whole path."),
    # LOW is what hides trouble or needs another fault to be used.
    "S105": Rule(_LOW, "a guess by the name; the check of secrets judges values", _SECRET),
    "S106": Rule(_LOW, "a guess by the name; the check of secrets judges values", _SECRET),
    "S107": Rule(_LOW, "a guess by the name; the check of secrets judges values", _SECRET),
    "S110": Rule(_LOW, "a failure is swallowed", "Catch the error that is meant, or log it."),
    "S112": Rule(_LOW, "a failure is swallowed", "Catch the error that is meant, or log it."),
    "S113": Rule(_LOW, "a silent server stops the program", "Give a timeout."),
    "S310": Rule(_LOW, "file: and other schemes are taken", "Check the address's scheme, or use an HTTP client."),
    **{
        f"S{number}": Rule(_LOW, "needs XML from outside, and an old expat", _XML)
        for number in (313, 314, 315, 316, 317, 318, 319)
    },
    # MEDIUM is dangerous with input from outside, which the rule cannot see.
    "S102": Rule(_MEDIUM, "runs text as code", "Call what is meant by name."),
    "S103": Rule(_MEDIUM, "others on the machine can write or run it", "Give rights to the owner alone."),
    "S104": Rule(_MEDIUM, "everybody in the network can connect", "Bind to 127.0.0.1, or let a setting say so."),
    "S108": Rule(_MEDIUM, "another user can lay a link there first", "Use the module tempfile."),
    "S202": Rule(_MEDIUM, "an archive can write outside its folder", "Give filter='data'."),
    "S301": Rule(_MEDIUM, "loading it runs what it holds", _FORMAT),
    "S302": Rule(_MEDIUM, "loading it can crash or run code", _FORMAT),
    "S303": Rule(_MEDIUM, "collisions can be made", _HASH),
    "S306": Rule(_MEDIUM, "another user can take the name first", "Use tempfile.mkstemp()."),
    "S308": Rule(_MEDIUM, "what comes from outside becomes markup", _MARKUP),
    "S321": Rule(_MEDIUM, "password and content go in the clear", _ENCRYPTED),
    "S324": Rule(_MEDIUM, "collisions can be made", _HASH),
    "S503": Rule(_MEDIUM, "takes a broken version of TLS by default", _TLS),
    "S504": Rule(_MEDIUM, "takes any version of TLS", _TLS),
    "S508": Rule(_MEDIUM, "no encryption", "Use SNMPv3."),
    "S509": Rule(_MEDIUM, "no encryption", "Use authPriv."),
    "S601": Rule(_MEDIUM, "the far shell reads the text", "Quote each argument with shlex.quote()."),
    "S604": Rule(_MEDIUM, "a shell reads the text", _SHELL),
    "S608": Rule(_MEDIUM, "a value can change the query", _QUERY),
    "S610": Rule(_MEDIUM, "a value can change the query", _QUERY),
    "S611": Rule(_MEDIUM, "a value can change the query", _QUERY),
    "S702": Rule(_MEDIUM, "what comes from outside becomes markup", "Give default_filters=['h']."),
    "S704": Rule(_MEDIUM, "what comes from outside becomes markup", _MARKUP),
    # HIGH is wrong as it stands.
    "S201": Rule(_HIGH, "whoever reaches the debugger runs code", "Switch debugging on by a setting, and locally."),
    "S304": Rule(_HIGH, "the cipher is broken", "Use AES-GCM or ChaCha20-Poly1305."),
    "S305": Rule(_HIGH, "the mode shows patterns", "Use AES-GCM or ChaCha20-Poly1305."),
    "S307": Rule(_HIGH, "runs text as code", "Use ast.literal_eval() for values."),
    "S312": Rule(_HIGH, "password and content go in the clear", _ENCRYPTED),
    "S323": Rule(_HIGH, "anybody can stand between", "Use ssl.create_default_context()."),
    "S501": Rule(_HIGH, "anybody can stand between", "Leave certificates checked; give a CA file for your own."),
    "S502": Rule(_HIGH, "the protocol is broken", _TLS),
    "S505": Rule(_HIGH, "the key can be computed", "Use RSA of 2048 bits and above, or a curve of 224 and above."),
    "S506": Rule(_HIGH, "loading it can run code", "Use yaml.safe_load()."),
    "S507": Rule(_HIGH, "anybody can stand between", "Know the host's key, and refuse others."),
    "S602": Rule(_HIGH, "a shell reads the text", _SHELL),
    "S605": Rule(_HIGH, "a shell reads the text", _SHELL),
    "S609": Rule(_HIGH, "a file's name becomes an option", "List the files, and put -- before them."),
    "S612": Rule(_HIGH, "whoever can connect runs code", "Give verify, or read settings from a file."),
    "S701": Rule(_HIGH, "what comes from outside becomes markup", "Give autoescape=select_autoescape()."),
}
"""How much each rule matters, and why."""

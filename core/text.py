"""Text from elsewhere, made fit to be shown: names, reasons and errors that a file or another program chose."""

LONGEST = 200
"""Characters of one such text that a sentence repeats."""


def quiet(text: str, longest: int = 0) -> str:
    """The text on one line, with everything that is not printed as itself escaped as in Python's strings.

    What moves a terminal's cursor, colours it, turns its writing round or is not seen cannot get there. With `longest`
    the text is cut to that many characters.
    """
    if longest and len(text) > longest:
        text = text[:longest] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quiet_lines(text: str) -> str:
    """The same of a text of several lines, such as a traceback."""
    return "\n".join(quiet(line) for line in text.split("\n"))

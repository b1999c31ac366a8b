from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.text import quiet, quiet_lines

WORD = st.text(st.characters(codec=None))  # every code point, lone surrogates too


@given(WORD)
def test_what_is_shown_is_printable_and_on_one_line(text):
    shown = quiet(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert text != shown or text.isprintable()


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_what_is_printable_stays_as_it_is(text):
    assert quiet(text) == text == quiet(quiet(text))


@given(WORD)
def test_lines_stay_lines(text):
    assert quiet_lines(text).split("\n") == [quiet(line) for line in text.split("\n")]


def test_orders_to_a_terminal_are_spelt_out():
    assert quiet("\x1b]0;mine\x07 \x9b2J a\rb\n\u202egpj.exe\u2066 é 漢") == (
        r"\x1b]0;mine\x07 \x9b2J a\rb\n\u202egpj.exe\u2066 é 漢"
    )
    assert quiet("x" * 9, 4) == "xxxx…"

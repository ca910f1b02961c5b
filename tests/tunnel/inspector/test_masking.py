"""What is a secret, and what takes its place."""

from __future__ import annotations

import pytest

from tunnel.inspector.masking import Mask, UnknownMark


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer abc", "Bearer «oculto 1»"),
        ("authorization", "abc", "«oculto 1»"),
        ("Proxy-Authorization", "Basic eA==", "Basic «oculto 1»"),
        ("Cookie", "a=1; b=2", "a=«oculto 1»; b=«oculto 2»"),
        ("Cookie", "suelta", "«oculto 1»"),
        ("Set-Cookie", "sid=x; Path=/; HttpOnly", "sid=«oculto 1»; Path=/; HttpOnly"),
        ("X-Api-Key", "k", "«oculto 1»"),
        ("X-Auth-Token", "k", "«oculto 1»"),
        ("X-CSRFToken", "k", "«oculto 1»"),
        ("Location", "/vuelta?access_token=k&lang=es", "/vuelta?access_token=«oculto 1»&lang=es"),
        ("Location", "/vuelta#id_token=k", "/vuelta#id_token=«oculto 1»"),
        ("Referer", "http://a.example/?password=k", "http://a.example/?password=«oculto 1»"),
        ("Accept", "text/html", "text/html"),
        ("ETag", '"abc"', '"abc"'),
    ],
)
def test_a_field_shows_what_is_no_secret_in_it(name: str, value: str, shown: str) -> None:
    assert Mask().value(name, value) == shown


@pytest.mark.parametrize(
    ("text", "media_type", "shown"),
    [
        ('{"password": "x", "user": "ana"}', "application/json", '{"password": "«oculto 1»", "user": "ana"}'),
        ('{"token":123}', "application/json", '{"token":"«oculto 1»"}'),
        ('{"a": {"client_secret": "q\\"r"}}', "text/plain", '{"a": {"client_secret": "«oculto 1»"}}'),
        ('{"access_token": "cortad', "application/json", '{"access_token": "«oculto 1»'),
        ("user=ana&clave=x", "application/x-www-form-urlencoded", "user=ana&clave=«oculto 1»"),
        ("password=x", "text/plain", "password=x"),
    ],
)
def test_content_hides_what_its_form_gives_away(text: str, media_type: str, shown: str) -> None:
    assert Mask().content(text, media_type) == shown


def test_one_secret_has_one_mark_wherever_it_is() -> None:
    mask = Mask()
    assert mask.value("Authorization", "Bearer abc") == "Bearer «oculto 1»"
    assert mask.value("X-Token", "otro") == "«oculto 2»"
    assert mask.value("X-Auth-Token", "abc") == "«oculto 1»"


def test_marks_give_their_secrets_back_and_others_are_refused() -> None:
    mask = Mask()
    shown = mask.content('{"password": "a«b»c"}', "application/json")
    assert mask.reveal(f"otra cosa y {shown}") == 'otra cosa y {"password": "a«b»c"}'
    with pytest.raises(UnknownMark, match="«oculto 7»"):
        mask.reveal("«oculto 7»")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["token" * 20000 + "=", '"' + "token" * 20000, '{"' * 30000, "a=" * 30000])
def test_what_a_visitor_makes_up_does_not_stop_the_page(text: str) -> None:
    mask = Mask()
    mask.content(text, "application/json")
    mask.content(text, "application/x-www-form-urlencoded")
    mask.target("/?" + text)

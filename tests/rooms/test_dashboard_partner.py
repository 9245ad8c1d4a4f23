"""The partner page: SuperIMAP keys, webhooks in SuperIMAP's form, where people come back to."""

import json

from dashboard_browser import World
from selectolax.lexbor import LexborHTMLParser

from postroom.store import webhooks
from postroom.store.database import Tx

HOOK = "https://app.example.com/mail"


async def _save(pages: World, **fields: str):  # type: ignore[no-untyped-def]
    return await pages.post("/w/one/partner", **{"retries": "6", **fields})


async def test_settings_and_webhooks_are_saved_together(pages: World) -> None:
    answer = await _save(
        pages, new_mail_webhook=HOOK, success_url="https://app.example.com/ok", redirects="https://b.example.com\n"
    )
    page = (await pages.client.get(answer.headers["location"])).text
    workspace = await pages.workspace("one")
    (row,) = await pages.services.database.read(lambda conn: webhooks.endpoints_of(conn, workspace.id))

    assert answer.status_code == 303
    assert "whsec_" in page
    assert "whsec_" not in (await pages.get("/w/one/partner")).text
    assert (row.form, row.url, json.loads(row.kinds)) == ("superimap", HOOK, ["mail_arrived"])
    assert (await pages.services.partners.get(workspace.id)).redirects == ("https://b.example.com",)


async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_saved(pages: World) -> None:
    answer = await _save(pages, new_mail_webhook=HOOK, redirects="https://b.example.com/deep")
    tree = LexborHTMLParser(answer.text)
    workspace = await pages.workspace("one")

    assert answer.status_code == 422
    assert tree.css_first("#e-redirects") is not None
    assert await pages.services.database.read(lambda conn: webhooks.endpoints_of(conn, workspace.id)) == []
    assert (await _save(pages, retries="many")).status_code == 422
    assert (await _save(pages, new_mail_webhook="http://10.0.0.1/x")).status_code == 422


async def test_an_emptied_address_takes_the_webhook_away(pages: World) -> None:
    await _save(pages, new_mail_webhook=HOOK)
    await _save(pages, new_mail_webhook="")

    workspace = await pages.workspace("one")
    assert await pages.services.database.read(lambda conn: webhooks.endpoints_of(conn, workspace.id)) == []


async def test_a_key_is_shown_once_opens_and_is_deleted(pages: World) -> None:
    answer = await pages.post("/w/one/partner/keys")
    page = LexborHTMLParser((await pages.client.get(answer.headers["location"])).text)
    shown = page.css_first(".once code")
    assert shown is not None
    key = shown.text()
    again = await pages.get("/w/one/partner")

    assert (await pages.services.partner_keys.check(key)) == await pages.workspace("one")
    assert key not in again.text
    assert key[:8] in again.text

    hidden = LexborHTMLParser(again.text).css_first("input[name=id]")
    assert hidden is not None
    deleted = await pages.post("/w/one/partner/keys/delete", id=hidden.attributes["value"])
    assert deleted.status_code == 303
    assert "No SuperIMAP key yet" in (await pages.get("/w/one/partner")).text
    assert (await pages.post("/w/one/partner/keys/delete", id="pky_x")).status_code == 404


async def test_a_superimap_endpoint_is_edited_on_the_partner_page_only(pages: World) -> None:
    workspace = await pages.workspace("one")
    hooks = pages.services.partner_hooks.prepare(workspace.id, {"new_mail_webhook": HOOK})

    def write(tx: Tx) -> None:
        hooks.write(tx)

    await pages.services.database.write(write)
    page = LexborHTMLParser((await pages.get("/w/one/webhooks")).text)
    link = page.css_first("table a")
    assert link is not None
    path = link.attributes["href"] or ""

    assert "SuperIMAP" in page.css_first("table").text()  # type: ignore[union-attr]
    assert "signed twice" in (await pages.client.get(path)).text
    assert (await pages.client.get(path + "/edit")).headers["location"] == "/w/one/partner"
    assert (await pages.post(path + "/edit", url=HOOK, batch="1")).headers["location"] == "/w/one/partner"

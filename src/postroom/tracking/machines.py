"""Who made a hit: a person, a machine, or nobody can tell. Pure rules with a version.

A label is a judgement over stored evidence, so it can be made again: `HitRow`
keeps the evidence and the version of the rules. When a rule changes,
RULES_VERSION grows.

- **machine**: the method, a header field, the user agent, the time or the
  company of other hits shows that no person asked for it.
- **human**: a browser or a mail program, or an image proxy that fetches when
  the mail is opened, at a time when a person can have read it.
- **unknown**: everything else. Nothing is guessed in favour of a person.

Image proxies (Gmail, Yahoo) fetch when the mail is first opened, but also
ahead of it, in the seconds after delivery. Hence they count as human only when
the delivery is known and PROXY_AFTER_MS have passed. Apple's Mail Privacy
Protection fetches every image of every mail whether it is opened or not: it is
always a machine, and so are the gateways that follow all links.

A copy in the sandbox meets no gateway, and its reader is somebody who is logged
in: once it was shown in the inbox the rules about the time since delivery say
nothing any more, the others hold (docs/decisions/0015).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

RULES_VERSION = 2

EVIDENCE_FIELDS = frozenset((b"purpose", b"sec-purpose", b"x-purpose", b"x-moz", b"from"))
"""Header fields that are kept with a hit, by lower-case name."""

INSTANT_MS = 2_000
"""Nobody has read a mail this soon after the next hop took it; gateways fetch at once."""
SOON_MS = 10_000
"""A click before this may still be a gateway with a browser's user agent: unknown."""
PROXY_AFTER_MS = 60_000
"""Image proxies that fetch ahead do so within seconds; a minute leaves room for slow ones."""
BURST_MS = 5_000
"""Window in which links followed together are a burst."""
BURST_LINKS = 3
"""That many different links of one copy within BURST_MS are no person."""
PAIR_MS = 1_000
"""Two different links of one copy within this time are no person either."""


class Label(StrEnum):
    """Who made a hit; the word of the API."""

    HUMAN = "human"
    MACHINE = "machine"
    UNKNOWN = "unknown"


class Agent(StrEnum):
    """What a user agent says it is."""

    BROWSER = "browser"
    """A browser or a mail program."""
    PROXY = "proxy"
    """An image proxy that fetches for a reader."""
    APPLE_PRIVACY = "apple_privacy"
    """Apple Mail Privacy Protection, which sends the bare `Mozilla/5.0`."""
    SCANNER = "scanner"
    """A security gateway, a crawler, a link preview or a library."""
    OTHER = "other"


class Evidence(NamedTuple):
    """What a label rests on."""

    is_click: bool
    method: str
    user_agent: str
    fields: Mapping[str, str]
    """Those of EVIDENCE_FIELDS that the request had."""
    since_delivery_ms: int | None
    """Negative: before the next hop took the copy. None: the delivery is not known."""
    links_in_burst: int = 0
    """Different links of the copy that were followed within BURST_MS, this one included."""
    links_in_pair: int = 0
    """The same within PAIR_MS."""
    was_shown: bool = False
    """The sandbox had shown the copy to somebody who is logged in; `since_delivery_ms` counts from then."""


class Verdict(NamedTuple):
    """A label and the name of the rule that gave it."""

    label: Label
    rule: str


def judge(evidence: Evidence) -> Verdict:
    """Return the label of a hit; the first rule that applies decides."""
    since = evidence.since_delivery_ms
    agent = agent_of(evidence.user_agent)
    machine = _machine_rule(evidence, agent)
    if machine is not None:
        return machine
    if agent is Agent.PROXY:
        return _PROXY_LATER if since is not None and since >= PROXY_AFTER_MS else _PROXY
    if agent is not Agent.BROWSER:
        return _AGENT_NOT_KNOWN
    if since is None:
        return _DELIVERY_NOT_KNOWN
    if evidence.is_click and since < SOON_MS and not evidence.was_shown:
        return _SOON
    return _BROWSER


_METHOD = Verdict(Label.MACHINE, "method")
_PREFETCH = Verdict(Label.MACHINE, "prefetch")
_SCANNER = Verdict(Label.MACHINE, "scanner")
_APPLE_PRIVACY = Verdict(Label.MACHINE, "apple_privacy")
_BEFORE_DELIVERY = Verdict(Label.MACHINE, "before_delivery")
_INSTANT = Verdict(Label.MACHINE, "instant")
_BURST = Verdict(Label.MACHINE, "burst")
_PROXY_LATER = Verdict(Label.HUMAN, "proxy_later")
_BROWSER = Verdict(Label.HUMAN, "browser")
_PROXY = Verdict(Label.UNKNOWN, "proxy")
_AGENT_NOT_KNOWN = Verdict(Label.UNKNOWN, "agent_not_known")
_DELIVERY_NOT_KNOWN = Verdict(Label.UNKNOWN, "delivery_not_known")
_SOON = Verdict(Label.UNKNOWN, "soon")


def _machine_rule(evidence: Evidence, agent: Agent) -> Verdict | None:
    """Return what shows a machine, or None."""
    if evidence.method != "GET":
        return _METHOD
    if evidence.fields and _fetches_ahead(evidence.fields):
        return _PREFETCH
    if agent is Agent.SCANNER:
        return _SCANNER
    if agent is Agent.APPLE_PRIVACY:
        return _APPLE_PRIVACY
    since = evidence.since_delivery_ms
    if since is not None and since < 0:
        return _BEFORE_DELIVERY
    if since is not None and since < INSTANT_MS and not evidence.was_shown:
        return _INSTANT
    if evidence.links_in_burst >= BURST_LINKS or evidence.links_in_pair >= 2:
        return _BURST
    return None


def _fetches_ahead(fields: Mapping[str, str]) -> bool:
    # `Sec-Purpose: prefetch;prerender` (Chrome), `Purpose: prefetch`, `X-Moz: prefetch`, `X-Purpose: preview` (Safari).
    for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"):
        value = fields.get(name, "").lower()
        if "prefetch" in value or "preview" in value:
            return True
    # RFC 9110 10.1.2: robots name who runs them in From; browsers never send it.
    return "from" in fields


_SCANNERS = re.compile(
    "|".join(
        (
            # libraries and tools
            r"^(?:curl|wget|lynx|libwww-perl|lwp|java|jakarta|okhttp|axios|node|node-fetch|undici|got|ruby|perl|php)\b",
            r"python|aiohttp|httpx|urllib|go-http-client|apache-httpclient|http_request|guzzle|restsharp|winhttp",
            r"powershell|libcurl|scrapy|mechanize|postmanruntime|insomnia|faraday|typhoeus|reqwest|winhttprequest",
            # browsers without a person
            r"headless|phantomjs|selenium|puppeteer|playwright|electron/.*test|cypress",
            # crawlers and link previews
            r"bot\b|bot/|bots\b|crawl|spider|slurp|facebookexternalhit|facebookcatalog|whatsapp|telegram|skypeuripreview",
            r"slackbot|slack-imgproxy|discordbot|twitterbot|linkedinbot|embedly|bingpreview|google-safety|mediapartners",
            r"google-read-aloud|googleother|google web preview|microsoftpreview|yandex(?:image|mail)?(?:resizer|proxy)",
            r"link ?preview|linkcheck|validator|monitor|uptime|pingdom|site24x7|preview service|iframely|flipboard",
            # mail security gateways
            r"barracuda|mimecast|proofpoint|safelinks|messagelabs|symantec|trend ?micro|trendmicro|forcepoint|websense",
            r"fireeye|trellix|ironport|cisco|sophos|fortinet|fortimail|avanan|check ?point|perception[- ]point",
            r"cloudmark|vade|zscaler|bitdefender|kaspersky|mcafee|paloalto|cyren|spamhaus|virustotal|urlscan|urldefense|netcraft",
            r"abusix|phish|sandbox|scanner|antivirus|avast|drweb|mailguard|mailscanner|rspamd|spamassassin|hornetsec",
            # what Gmail sends when it fetches ahead, at delivery
            r"chrome/42\.0\.2311\.135 safari/537\.36 edge/12\.246 mozilla/5\.0",
        )
    ),
    re.IGNORECASE,
)
# Gmail's proxy while the mail is open; Yahoo's and AOL's likewise.
_PROXIES = re.compile(r"googleimageproxy|ggpht\.com|yahoomailproxy|yahoocachesystem|duckduckgo email", re.IGNORECASE)
_BROWSERS = re.compile(
    r"^(?:mozilla/[45]\.0 \(.+\)|opera/\d|microsoft office/\d|microsoft outlook|outlook-|thunderbird/|dalvik/|"
    r"airmail|spark/|bluemail|mail/\d.* cfnetwork/|k-9|fairemail|lotus-notes|evolution)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def agent_of(user_agent: str) -> Agent:
    """Return what a User-Agent field says; an empty one says nothing."""
    if user_agent.strip() == "Mozilla/5.0":
        return Agent.APPLE_PRIVACY
    # Gmail's proxy calls itself an old Firefox "(via ggpht.com GoogleImageProxy)": asked before the scanners.
    if _PROXIES.search(user_agent):
        return Agent.PROXY
    if _SCANNERS.search(user_agent):
        return Agent.SCANNER
    return Agent.BROWSER if _BROWSERS.search(user_agent) else Agent.OTHER

"""Who receives mail for a domain: MX hosts of large providers, and their consumer domains.

Two tables that ship with the program. Both can be extended: `Providers` takes
further entries, and the longest suffix wins.
"""

import hashlib
from collections.abc import Iterable, Mapping

OTHER = "other"

MX_SUFFIXES: Mapping[str, str] = {
    "google.com": "google",
    "googlemail.com": "google",
    "smtp.goog": "google",
    "mail.protection.outlook.com": "microsoft",
    "mx.microsoft": "microsoft",
    "olc.protection.outlook.com": "microsoft-consumer",
    "hotmail.com": "microsoft-consumer",
    "yahoodns.net": "yahoo",
    "mail.icloud.com": "apple",
    "mail.me.com": "apple",
    "apple.com": "apple",
    "gmx.net": "gmx",
    "web.de": "gmx",
    "mail.com": "gmx",
    "kundenserver.de": "ionos",
    "ionos.com": "ionos",
    "ionos.de": "ionos",
    "perfora.net": "ionos",
    "1and1.com": "ionos",
    "t-online.de": "telekom",
    "mail.ru": "mail.ru",
    "yandex.ru": "yandex",
    "yandex.net": "yandex",
    "pphosted.com": "proofpoint",
    "ppe-hosted.com": "proofpoint",
    "gpphosted.com": "proofpoint",
    "mimecast.com": "mimecast",
    "mimecast.co.za": "mimecast",
    "mimecast-offshore.com": "mimecast",
    "barracudanetworks.com": "barracuda",
    "iphmx.com": "cisco",
    "messagelabs.com": "symantec",
    "trendmicro.com": "trendmicro",
    "trendmicro.eu": "trendmicro",
    "sophos.com": "sophos",
    "hornetsecurity.com": "hornetsecurity",
    "messagingengine.com": "fastmail",
    "zoho.com": "zoho",
    "zoho.eu": "zoho",
    "zoho.in": "zoho",
    "protonmail.ch": "proton",
    "mailbox.org": "mailbox.org",
    "posteo.de": "posteo",
    "tutanota.de": "tuta",
    "tutao.de": "tuta",
    "qq.com": "tencent",
    "163.com": "netease",
    "126.com": "netease",
    "netease.com": "netease",
    "aliyun.com": "alibaba",
    "mxhichina.com": "alibaba",
    "naver.com": "naver",
    "daum.net": "kakao",
    "hanmail.net": "kakao",
    "orange.fr": "orange",
    "wanadoo.fr": "orange",
    "free.fr": "free",
    "laposte.net": "laposte",
    "libero.it": "libero",
    "aruba.it": "aruba",
    "seznam.cz": "seznam",
    "wp.pl": "wp.pl",
    "onet.pl": "onet",
    "o2.pl": "wp.pl",
    "comcast.net": "comcast",
    "charter.net": "charter",
    "cox.net": "cox",
    "emailsrvr.com": "rackspace",
    "secureserver.net": "godaddy",
    "registrar-servers.com": "namecheap",
    "privateemail.com": "namecheap",
    "ovh.net": "ovh",
    "gandi.net": "gandi",
    "amazonaws.com": "amazon",
    "awsapps.com": "amazon",
    "mailgun.org": "mailgun",
    "sendgrid.net": "sendgrid",
    "forwardemail.net": "forwardemail",
    "improvmx.com": "improvmx",
    "mx.cloudflare.net": "cloudflare",
}
"""Suffix of an MX host's name → provider. The provider is the site: its MX hosts count as one."""

CONSUMER_DOMAINS: Mapping[str, str] = {
    "gmail.com": "google",
    "googlemail.com": "google",
    "outlook.com": "microsoft-consumer",
    "msn.com": "microsoft-consumer",
    "passport.com": "microsoft-consumer",
    "icloud.com": "apple",
    "me.com": "apple",
    "mac.com": "apple",
    "aol.com": "yahoo",
    "aim.com": "yahoo",
    "ymail.com": "yahoo",
    "rocketmail.com": "yahoo",
    "web.de": "gmx",
    "mail.com": "gmx",
    "t-online.de": "telekom",
    "mail.ru": "mail.ru",
    "bk.ru": "mail.ru",
    "inbox.ru": "mail.ru",
    "list.ru": "mail.ru",
    "ya.ru": "yandex",
    "proton.me": "proton",
    "protonmail.com": "proton",
    "protonmail.ch": "proton",
    "pm.me": "proton",
    "fastmail.com": "fastmail",
    "fastmail.fm": "fastmail",
    "zoho.com": "zoho",
    "zohomail.com": "zoho",
    "zohomail.eu": "zoho",
    "mailbox.org": "mailbox.org",
    "posteo.de": "posteo",
    "tutanota.com": "tuta",
    "tuta.io": "tuta",
    "qq.com": "tencent",
    "foxmail.com": "tencent",
    "163.com": "netease",
    "126.com": "netease",
    "yeah.net": "netease",
    "naver.com": "naver",
    "daum.net": "kakao",
    "hanmail.net": "kakao",
    "orange.fr": "orange",
    "wanadoo.fr": "orange",
    "free.fr": "free",
    "laposte.net": "laposte",
    "libero.it": "libero",
    "seznam.cz": "seznam",
    "wp.pl": "wp.pl",
    "o2.pl": "wp.pl",
    "onet.pl": "onet",
    "comcast.net": "comcast",
}
"""Domain → provider, where mail is accepted before anybody asked for its MX."""

CONSUMER_NAMES: Mapping[str, str] = {
    "hotmail": "microsoft-consumer",
    "live": "microsoft-consumer",
    "outlook": "microsoft-consumer",
    "yahoo": "yahoo",
    "gmx": "gmx",
    "yandex": "yandex",
}
"""Names that a provider uses under many countries' endings: `yahoo.co.uk`, `hotmail.fr`, `gmx.at`."""

_LONGEST_SITE = 200


class Providers:
    """The tables with further entries of the operator."""

    def __init__(self, mx_suffixes: Mapping[str, str] | None = None, domains: Mapping[str, str] | None = None) -> None:
        """Both map lower-case names without final dots to providers; they win over what ships."""
        self._suffixes = {**MX_SUFFIXES, **(mx_suffixes or {})}
        self._domains = {**CONSUMER_DOMAINS, **(domains or {})}

    def of_domain(self, domain: str) -> str:
        """Return the provider of a recipients' domain by its name alone, `other` where that tells nothing."""
        domain = domain.lower()
        known = self._domains.get(domain)
        if known is not None:
            return known
        name, _, ending = domain.partition(".")
        # `yahoo.co.uk`, not `yahoo.example.com`: at most two labels, each of a country's length.
        labels = ending.split(".")
        if len(labels) <= 2 and all(1 < len(label) <= 3 for label in labels):
            return CONSUMER_NAMES.get(name, OTHER)
        return OTHER

    def of_host(self, host: str) -> str:
        """Return the provider that an MX host belongs to, or `other`. The longest suffix wins."""
        rest = host.lower().rstrip(".")
        while rest:
            known = self._suffixes.get(rest)
            if known is not None:
                return known
            rest = rest.partition(".")[2]
        return OTHER

    def site_of_hosts(self, hosts: Iterable[str]) -> tuple[str, str]:
        """Return site and provider of a domain by its MX hosts, the most preferred first.

        A domain whose first host belongs to a provider is part of that provider's site.
        Otherwise domains with the same set of hosts are one site.
        """
        names = list(hosts)
        provider = self.of_host(names[0]) if names else OTHER
        if provider != OTHER:
            return provider, provider
        site = ",".join(sorted(set(names)))
        if len(site) > _LONGEST_SITE:
            site = "hosts-" + hashlib.sha256(site.encode()).hexdigest()[:32]
        return site, OTHER

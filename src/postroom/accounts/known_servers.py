"""Servers of large providers, by the domains of their addresses and by the MX hosts of domains that they serve.

A table, so that most people wait for one login and nothing is guessed.
"""

from postroom.accounts.providers import SHIPPED, Server, Service
from postroom.ledger.account_rows import Security


def _tls(host: str, smtp: str, port: int = 465) -> Server:
    security = Security.TLS if port == 465 else Security.STARTTLS
    return Server(Service(host, 993, Security.TLS), Service(smtp, port, security))


_SHIPPED = {provider.code: provider.server for provider in SHIPPED}
_GOOGLE, _MICROSOFT = _SHIPPED["GMAIL"], _SHIPPED["OUTLOOK"]
_YAHOO, _ICLOUD, _FASTMAIL = _SHIPPED["YAHOO"], _SHIPPED["ICLOUD"], _SHIPPED["FASTMAIL"]
_AOL = _tls("imap.aol.com", "smtp.aol.com")
_GMX_NET = _tls("imap.gmx.net", "mail.gmx.net")
_YANDEX = _tls("imap.yandex.com", "smtp.yandex.com")
_ZOHO = _tls("imap.zoho.com", "smtp.zoho.com")
_ZOHO_EU = _tls("imap.zoho.eu", "smtp.zoho.eu")

_DOMAINS: dict[str, Server] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), _GOOGLE),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr"), _MICROSOFT),
    **dict.fromkeys(("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "ymail.com", "rocketmail.com"), _YAHOO),
    **dict.fromkeys(("aol.com", "aim.com"), _AOL),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), _ICLOUD),
    **dict.fromkeys(("fastmail.com", "fastmail.fm"), _FASTMAIL),
    **dict.fromkeys(("gmx.net", "gmx.de", "gmx.at", "gmx.ch"), _GMX_NET),
    "gmx.com": _tls("imap.gmx.com", "mail.gmx.com", 587),
    "web.de": _tls("imap.web.de", "smtp.web.de", 587),
    "t-online.de": _tls("secureimap.t-online.de", "securesmtp.t-online.de"),
    "freenet.de": _tls("mx.freenet.de", "mx.freenet.de", 587),
    "mailbox.org": _tls("imap.mailbox.org", "smtp.mailbox.org"),
    "posteo.de": _tls("posteo.de", "posteo.de"),
    "orange.fr": _tls("imap.orange.fr", "smtp.orange.fr"),
    "free.fr": _tls("imap.free.fr", "smtp.free.fr"),
    "laposte.net": _tls("imap.laposte.net", "smtp.laposte.net"),
    "libero.it": _tls("imapmail.libero.it", "smtp.libero.it"),
    "comcast.net": _tls("imap.comcast.net", "smtp.comcast.net", 587),
    "mail.ru": _tls("imap.mail.ru", "smtp.mail.ru"),
    **dict.fromkeys(("yandex.ru", "yandex.com", "ya.ru"), _YANDEX),
    "qq.com": _tls("imap.qq.com", "smtp.qq.com"),
    "163.com": _tls("imap.163.com", "smtp.163.com"),
    "126.com": _tls("imap.126.com", "smtp.126.com"),
    "zoho.com": _ZOHO,
    "zoho.eu": _ZOHO_EU,
}

_MX_SUFFIXES: tuple[tuple[str, Server], ...] = (
    (".google.com", _GOOGLE),
    (".googlemail.com", _GOOGLE),
    (".mail.protection.outlook.com", _MICROSOFT),
    (".mx.microsoft", _MICROSOFT),
    (".messagingengine.com", _FASTMAIL),
    (".mail.icloud.com", _ICLOUD),
    (".yahoodns.net", _YAHOO),
    (".mx.yandex.net", _YANDEX),
    (".zoho.com", _ZOHO),
    (".zoho.eu", _ZOHO_EU),
    (".mailbox.org", _DOMAINS["mailbox.org"]),
)


def server_of_domain(domain: str) -> Server | None:
    """Return the servers of a provider's own domain, or None."""
    return _DOMAINS.get(domain.lower())


def server_of_mx(host: str) -> Server | None:
    """Return the servers of the provider that an MX host belongs to, or None."""
    host = "." + host.lower()
    return next((server for suffix, server in _MX_SUFFIXES if host.endswith(suffix)), None)

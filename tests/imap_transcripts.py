"""What servers of well-known kinds say, in their own words' shape; written for these tests."""


def _crlf(text: str) -> bytes:
    """A middle dot stands for a blank at the end of a line."""
    return text.strip("\n").replace("\n", "\r\n").replace("·", " ").encode("latin-1") + b"\r\n"


GMAIL = _crlf(
    r"""
* OK Gimap ready for requests from 192.0.2.7 a1mb123456789abc
* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN
A1 OK Thats all she wrote! a1mb123456789abc
+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=
A2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)
* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584
A3 OK anna@example.com authenticated (Success)
* LIST (\HasNoChildren) "/" "INBOX"
* LIST (\HasChildren \Noselect) "/" "[Gmail]"
* LIST (\All \HasNoChildren) "/" "[Gmail]/Alle Nachrichten"
* LIST (\HasNoChildren \Sent) "/" "[Gmail]/Envoy&AOk-s"
* LIST (\HasNoChildren \Trash) "/" "[Gmail]/&Xl9UZnAB-"
A4 OK Success
* FLAGS (\Answered \Flagged \Draft \Deleted \Seen $NotPhishing $Phishing OIB-Seen-[Gmail]/Sent [a] b])
* OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen $NotPhishing OIB-Seen-[Gmail]/Sent b] \*)] Flags permitted.
* OK [UIDVALIDITY 594544687] UIDs valid.
* 17 EXISTS
* 0 RECENT
* OK [UIDNEXT 31] Predicted next UID.
* OK [HIGHESTMODSEQ 9223372036854775807]
A5 OK [READ-ONLY] INBOX selected. (Success)
* ESEARCH (TAG "A6") UID ALL 27:30
* SEARCH 27 28 30
A6 OK SEARCH completed (Success)
* 16 FETCH (X-GM-THRID 1278455344230334865 X-GM-MSGID 1278455344230334866 X-GM-LABELS ("\\Important" "\\Sent" foo "with space" "[x]") UID 30 RFC822.SIZE 12 MODSEQ (2129) INTERNALDATE "23-Nov-2026 01:02:03 +0000" FLAGS (\Seen 42 b]) BODY[] {13}
a: b

hello)
A7 OK Success
* BYE Session expired, please login again.
* BYE [ALERT] Too many simultaneous connections. (Failure)
"""
)

MICROSOFT = _crlf(
    r"""
* OK The Microsoft Exchange IMAP4 service is ready. [QgBOADAAUABSADAANQ==]
* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+
A1 OK CAPABILITY completed.
A2 OK AUTHENTICATE completed.
A3 BAD User is authenticated but not connected.
A4 BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds
Server Unavailable. 15
* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")
* LIST (\Marked \HasNoChildren) "/" "Deleted Items"
* LIST (\HasChildren) "/" INBOX
* LIST (\Trash \HasNoChildren) "/" {5}
Kor&-
* 1 FETCH (UID 7 FLAGS (\Seen) INTERNALDATE " 7-Nov-2026 22:54:04 -0500" RFC822.SIZE 3 BODY[] NIL)
* 2 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)] "Message-ID: <a@b>" UID 8)
A5 OK FETCH completed.
* BYE Connection closed. 14
"""
)

YAHOO = _crlf(
    r"""
* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER ID MOVE NAMESPACE XYMHIGHESTMODSEQ UIDPLUS LITERAL+ CHILDREN X-MSG-EXT UNSELECT OBJECTID] IMAP4rev1 imapgate ready
* OK [MAILBOXID (1)] Ok
* STATUS "Bulk Mail" (MESSAGES 3 UIDNEXT 10 UIDVALIDITY 1 HIGHESTMODSEQ 12 SIZE 5000 MAILBOXID (2))
* 3 FETCH (UID 9 EMAILID (A-b_1) THREADID NIL FLAGS ())
* 4 FETCH (UID 10 EMAILID (A-b_2) THREADID (T1) FLAGS ($Junk))
A1 NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials
A2 NO [LIMIT] Rate limit hit.
* BYE IMAP4rev1 Server logging out
"""
)

ICLOUD = _crlf(
    r"""
* OK [CAPABILITY XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 SASL-IR AUTH=ATOKEN AUTH=PLAIN] (2416B21-7f) imap.mail.me.com
* 5 FETCH (UID 105)
A1 OK FETCH completed (took 1 ms)
* NO [ALERT] Mailbox is at 90% of quota
* LIST (\Noinferiors) "/" "Sent Messages"
* NAMESPACE (("" "/")) NIL NIL
"""
)

DOVECOT = _crlf(
    r"""
* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot ready.
A1 OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE UIDPLUS ESEARCH CONDSTORE QRESYNC MOVE SPECIAL-USE BINARY] Logged in
* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
* OK [PERMANENTFLAGS ()] Read-only mailbox.
* 2 EXISTS
* 1 RECENT
* OK [UNSEEN 2] First unseen.
* OK [UIDVALIDITY 1700000000] UIDs valid
* OK [UIDNEXT 3] Predicted next UID
* OK [NOMODSEQ] No permanent mod-sequences
A2 OK [READ-ONLY] Examine completed (0.001 + 0.000 secs).
* SEARCH 1
* 2 EXISTS
A3 OK Search completed (0.001 + 0.000 secs).
* SEARCH 2 5 6 7 11 12 18 19 20 23 (MODSEQ 917162500)
* ENABLED CONDSTORE QRESYNC
* VANISHED (EARLIER) 41,43:116,118,120:211,214:540
* VANISHED 405,407
+ idling
* OK Still here
* 1 EXPUNGE
A4 OK [APPENDUID 1700000000 3] Append completed.
A5 OK [COPYUID 1700000000 1,3:4 7:9] Copy completed.
A6 NO [TRYCREATE] Mailbox doesn't exist: x
A7 NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset
* 1 FETCH (FLAGS (\Seen) UID 1 BINARY[1] ~{4}
a(b) BINARY.SIZE[1] 4)
* BYE Logging out
"""
)

CYRUS = _crlf(
    r"""
* OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE AUTH=PLAIN SASL-IR] mail.example.com Cyrus IMAP 3.6.1 server ready
* LIST (\HasChildren) "." "INBOX"
* LSUB () "." INBOX.Sent
* XLIST (\HasNoChildren \AllMail) "/" All
* LIST (\NonExistent) "." "a" ("CHILDINFO" ("SUBSCRIBED"))
* 1 FETCH (UID 1 ENVELOPE ("Mon, 23 Nov 2026 01:02:03 +0000" "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" (("Anna \"A\"" NIL "anna" "example.com")) NIL NIL ((NIL NIL "friends" NIL)(NIL NIL "bob" "example.org")(NIL NIL NIL NIL)) NIL NIL NIL "<1@example.com>"))
* 2 FETCH (UID 2 ENVELOPE (NIL {11}
Bonjour
!! (({4}
Anna NIL "anna" {11}
example.com)) NIL) BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 5 1)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 9 NIL NIL 1) "MIXED" ("BOUNDARY" "x") NIL NIL) FLAGS (\Recent))
* 3 FETCH (BODYSTRUCTURE NIL UID 3)
* STATUS INBOX (MESSAGES 2 RECENT 0 UNSEEN 1)
* ESEARCH (TAG "A9") UID COUNT 0
* ESEARCH UID MIN 7 MAX 3800 COUNT 30 MODSEQ 917162500
* QUOTA "" (STORAGE 10 512)
* 5 XYZ
A1 OK [HIGHESTMODSEQ 7011231777] Completed
"""
)

ODD = _crlf(
    r"""
* LIST () "/" Sent Items
* LIST () "\" INBOX
* LIST (\Noselect) NIL NIL
* STATUS my folder (MESSAGES 1)
* ok fine
* OK
A1 ok
+
+OK
* OK [UNKNOWN-CTE] x
* OK [x
* OK [THIS IS] no code {5}
* NO Overquota (100%)"
* CAPABILITY
* FLAGS NIL
* SEARCH
*  4   EXISTS
* 4 EXISTS·
* 1 FETCH (UID 99999999999999999999 FLAGS (\Seen))
* 1 FETCH (FLAGS NIL UID 4)
* 1 FETCH (RFC822 "a" RFC822.HEADER NIL RFC822.TEXT word BODY[TEXT]<5> "b")
"""
)

NOT_UNDERSTOOD = _crlf(
    r"""
*
*·
A1
A1 ZZZ
ZZZ
* 1 FETCH (UID 1
* 1 FETCH (UID)
* 1 FETCH UID 1
* 1 FETCH (UID 1))
* 1 FETCH ((UID) 1)
* 1 FETCH (ENVELOPE "x)
* SEARCH 1 x
* SEARCH 99999999999999999999
* ESEARCH UID ALL x
* VANISHED *-1
* VANISHED
* STATUS
* STATUS x (MESSAGES)
* LIST
* LIST "/" x
* NAMESPACE NIL
* NAMESPACE (NIL) NIL NIL
* FLAGS x
* ID x
A1 BYE x
% 1 EXISTS
* 12345678901 EXISTS x)
"""
)

ALL = {
    "gmail": GMAIL,
    "microsoft": MICROSOFT,
    "yahoo": YAHOO,
    "icloud": ICLOUD,
    "dovecot": DOVECOT,
    "cyrus": CYRUS,
    "odd": ODD,
}

"""SMTP submission (RFC 5321, RFC 6409), a few connections kept open.

Our ids travel in the Message-ID, which bounces and delivery status notifications (RFC 3464) carry back.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import formatdate

import aiosmtplib

from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused, Taken, Unknown
from schemas.echo import ECHO_NAME, write_tag
from schemas.errors import UsageError

CONNECTIONS = 10
ERRORS = {
    421: Reaction.THROTTLED,
    450: Reaction.RETRY,
    451: Reaction.RETRY,
    452: Reaction.THROTTLED,
    454: Reaction.RETRY,
    530: Reaction.PAGE,
    534: Reaction.PAGE,
    535: Reaction.PAGE,
    550: Reaction.FALLBACK,  # no such mailbox
    551: Reaction.FALLBACK,
    552: Reaction.FAIL,
    553: Reaction.FALLBACK,
    554: Reaction.FAIL,
}


class Smtp:
    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        self._host = connection["host"]
        port = connection.get("port", "587")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise UsageError("port: from 1 to 65535")
        self._port = int(port)
        self._user, self._password = connection.get("username"), connection.get("password")
        self._tls = connection.get("tls", "starttls")
        if self._tls not in ("starttls", "tls", "none"):
            raise UsageError("tls: starttls, tls or none")
        self._timeout_s = timeout_s
        self._idle: list[aiosmtplib.SMTP] = []
        self._slots: asyncio.Semaphore | None = None

    async def send(self, message: Outgoing) -> Outcome:
        self._slots = self._slots or asyncio.Semaphore(CONNECTIONS)
        async with self._slots:
            client = await self._connected()
            if isinstance(client, Refused):
                return client
            outcome = await self._hand_over(client, message)
            if isinstance(outcome, Unknown) or not client.is_connected:
                client.close()
            else:
                self._idle.append(client)
            return outcome

    async def _connected(self) -> aiosmtplib.SMTP | Refused:
        while self._idle:
            client = self._idle.pop()
            if client.is_connected:
                return client
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout_s,
            use_tls=self._tls == "tls",
            start_tls=self._tls == "starttls",
            username=self._user,
            password=self._password,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            return Refused(str(error.code), Reaction.PAGE, error.message[:200])
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Refused("not_connected", Reaction.RETRY, str(error)[:200], ails=True)
        return client

    async def _hand_over(self, client: aiosmtplib.SMTP, message: Outgoing) -> Outcome:
        """Before the final dot is answered nobody has it; while it is being answered nobody knows."""
        mail = write_mail(message)
        try:
            await client.mail(message.sender)
            await client.rcpt(message.to)
        except aiosmtplib.SMTPResponseException as error:
            with suppress(aiosmtplib.SMTPException):
                await client.rset()
            return refused(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            return Refused("not_connected", Reaction.RETRY, str(error)[:200], ails=True)
        try:
            await client.data(mail.as_bytes(policy=WIRE))
        except aiosmtplib.SMTPResponseException as error:
            return refused(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Unknown(f"{type(error).__name__}: {error}"[:200])
        return Taken(mail["Message-ID"].strip("<>"))

    async def look_up(self, _message: Outgoing) -> Taken | Refused | None:
        return None

    async def close(self) -> None:
        for client in self._idle:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit()


def write_mail(message: Outgoing) -> EmailMessage:
    """Text, HTML or both, with our ids in Message-ID and a header."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = message.sender, message.to, message.subject
    mail["Date"] = formatdate(message.sent_at / 1000)
    mail["Message-ID"] = f"<{write_tag(message.echo)}@{message.sender.rpartition('@')[2] or 'tidemark'}>"
    mail[f"X-{ECHO_NAME.capitalize()}"] = message.echo
    if message.text or not message.html:
        mail.set_content(message.text)
    if message.html and message.text:
        mail.add_alternative(message.html, subtype="html")
    elif message.html:
        mail.set_content(message.html, subtype="html")
    return mail


def refused(code: int, text: str) -> Refused:
    """Replies of 4xx may pass, of 5xx don't (RFC 5321, 4.2.1)."""
    reaction = ERRORS.get(code, Reaction.RETRY if 400 <= code < 500 else Reaction.FAIL)
    return Refused(str(code), reaction, " ".join(text.split())[:200], ails=code == 421)


KIND = Kind(
    name="smtp",
    channels=("email",),
    make=Smtp,
    needs=("host",),
    may=("port", "username", "password", "tls"),
)

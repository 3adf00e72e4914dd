"""A conversation (flows.py) carried out over a transport.

This module alone decides what happens to the answers between the first request and the last: their bodies are read
where the conversation wants them, dropped otherwise, and an answer with an unwanted status becomes an error. The answer
that counts is the one that the conversation returns, which need not be the last that came.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rafsight.access.counting import Meter
from rafsight.access.registry.answers import LONGEST_ERROR, fault_of
from rafsight.access.registry.flows import Conversation, Conversations
from rafsight.access.registry.messages import Response
from rafsight.access.registry.transport import Reply, Transport
from rafsight.base.errors import RegistryFault
from rafsight.base.units import MiB

_LONGEST_BODY: Final = MiB
"""[bytes] of an answer that a conversation reads itself; a token is far smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The wire, and what is known about whom we talk to."""

    transport: Transport
    conversations: Conversations
    place: str
    """The repository, as people call it."""
    login: str
    """The host as `docker login` wants it."""
    judge: Callable[..., RegistryFault] = fault_of
    """Makes the error for an unwanted answer; arguments as of `fault_of`."""

    def begin(self, conversation: Conversation, what: str, *accepted: int, meter: Meter | None = None) -> Reply:
        """Carry out a conversation and return its answer, the body still to be read.

        Args:
            conversation: from `conversations`.
            what: what is asked for, as people call it.
            accepted: statuses beside 200 that the caller understands.
            meter: counts what it costs; None: that of the transport.
        Raises: RegistryFault, NotFound; what the credentials raise.
        """
        reply = self._drive(conversation, meter)
        if reply.head.status == 200 or reply.head.status in accepted:
            return reply
        with reply:
            body = reply.head.body or _error_body(reply)
        raise self.judge(reply.head, body, place=self.place, what=what, sent=self.conversations.sent, login=self.login)

    def _drive(self, conversation: Conversation, meter: Meter | None) -> Reply:
        reply: Reply | None = None
        head = Response(status=0)
        try:
            request = next(conversation)
            while True:  # ends with the conversation, each of which makes a bounded number of requests
                if reply is not None:
                    reply.discard()
                    reply = None
                try:
                    reply = self.transport.open(request, meter)
                    head = reply.head
                    if request.wants_body:
                        head = replace(head, body=reply.read_up_to(_LONGEST_BODY))
                    elif head.status >= 400:  # it may come to be the answer, though others follow
                        head = replace(head, body=_error_body(reply))
                except RegistryFault as fault:
                    request = conversation.throw(fault)
                else:
                    request = conversation.send(head)
        except StopIteration as end:
            assert reply is not None  # no conversation ends before its first answer
            if end.value is not head:  # a ping or a token did not help: the refusal before it stands
                reply.discard()
            reply.head = end.value
            return reply
        except BaseException:
            if reply is not None:
                reply.discard()
            raise
        finally:
            conversation.close()


def _error_body(reply: Reply) -> bytes:
    """Read an error document; where it breaks off, the status says enough."""
    try:
        return reply.read_up_to(LONGEST_ERROR)
    except RegistryFault:
        return b""

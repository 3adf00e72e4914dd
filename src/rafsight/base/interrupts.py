"""Ends of the process from outside (Ctrl-C, a signal) that came while something could not be left in order.

A lock whose `with` block a signal interrupts may raise an error of its own, in the place of the interruption. This
module alone decides how the interruption is found again.
"""


def interruption_behind(error: BaseException) -> BaseException | None:
    """Return the interruption while which an error was raised; None: there was none.

    Args:
        error: or the interruption itself.
    """
    seen = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if not isinstance(link, Exception | GeneratorExit):
            return link
        seen.add(id(link))
        link = link.__context__
    return None

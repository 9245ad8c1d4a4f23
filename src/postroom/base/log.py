"""Structured logs on standard error: one JSON object a line, or readable lines for a terminal.

What is logged: ids, counts, times, the texts of errors. Never: bodies, secrets,
tokens, query strings; addresses of recipients not from level `info` on. What libraries log
by Python's own `logging` becomes lines of the same form, from `warning` on.
"""

import logging
import sys

import structlog

from postroom.base.log_forms import Form

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def set_up_log(level: str, form: Form = "auto") -> None:
    """Log from `level` (debug, info, warning, error) on, for the whole process.

    `form` auto: readable where standard error is a terminal, else JSON.
    """
    readable = form == "console" or (form == "auto" and sys.stderr.isatty())
    # Local variables of a traceback hold bodies and secrets: neither form shows them.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not readable:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        processors.append(structlog.processors.ExceptionRenderer(tracebacks))
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _OfLibraries)]:
        root.removeHandler(handler)
    root.addHandler(_OfLibraries(max(logging.WARNING, LEVELS.get(level, logging.INFO))))


class _OfLibraries(logging.Handler):
    """Turns what libraries log into lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            logger = structlog.get_logger()
            logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:
            self.handleError(record)

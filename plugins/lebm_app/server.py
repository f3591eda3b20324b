"""Serving the page: on one address, to that address alone, until Ctrl-C."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_core.run.process.signals import signal_of

__all__ = ["application", "serve"]

# What the page may load: itself. A browser then asks no other machine, whatever a library wants.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
GRACE = 1  # seconds for answers in progress once the page is stopped


def serve(
    run: Path, host: str, port: int, data_dir: Path | None, log: Callable[[str], None]
) -> None:
    """Serve the page of a run until a signal ends it; Ctrl-C is a normal exit.

    Args:
        run: the folder.
        host: the address to listen on.
        port: the port; 0 for any that is free.
        data_dir: where the data are looked for first.
        log: takes the address of the page.

    Raises:
        MissingExtra: gradio is not installed.
        UsageError: the folder is no run, or the port is in use.
    """
    need_gradio()
    temporary = tempfile.TemporaryDirectory(prefix="lebm-", ignore_cleanup_errors=True)
    with listening(host, port) as held, temporary as place:
        os.environ["GRADIO_TEMP_DIR"] = place  # uploads go when the page goes
        tempfile.tempdir = place
        try:
            from lebm_app.explorer import Explorer

            log(f"Loading {run} ...")
            explorer = Explorer(run, data_dir)

            import uvicorn  # a folder that is no run is refused before all of this is imported

            from lebm_app.page import page

            app = application(page(explorer), host)
            told = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            told = f"[{told}]" if ":" in told else told
            log(f"The page is at http://{told}:{held.getsockname()[1]} (Ctrl-C stops it).")
            if not _of_this_machine(host):
                log("Anyone who reaches this machine can use it, and there is no password.")
            config = uvicorn.Config(
                app, log_level="critical", timeout_graceful_shutdown=GRACE, lifespan="on"
            )
            try:
                uvicorn.Server(config).run(sockets=[held])
            except KeyboardInterrupt as error:  # uvicorn has ended, and raises its signal again
                if signal_of(error) != signal.SIGINT:
                    raise
                log("Stopped.")
        finally:
            tempfile.tempdir = None


def need_gradio() -> None:
    """Refuse to do without gradio, which the extra "app" brings.

    Raises:
        MissingExtra: naming the extra.
    """
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise MissingExtra("gradio", "app", needed_by="lebm explore")


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Raises:
        UsageError: it is in use, or none of this machine.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(kind, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
        held.listen(128)
    except OSError as error:
        held.close()
        if isinstance(error, socket.gaierror):
            raise UsageError(f"--host {shown(host)} is no address of this machine.") from None
        raise UsageError(
            f"Port {port} of {host} cannot be listened on ({error.strerror}): choose another by "
            "--port, or --port 0 for any that is free."
        ) from None
    return held


def application(blocks: Any, host: str) -> Any:
    """The page as an application that answers to its own address alone.

    Args:
        blocks: the page.
        host: the address that it listens on.
    """
    import gradio as gr
    from fastapi import FastAPI, Request, Response
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from lebm_app.page import UPLOAD, looks

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if _of_this_machine(host):  # a page elsewhere must not reach this one under a name of its own
        own = [host, "localhost", "127.0.0.1", "[::1]"]
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=own)

    @app.middleware("http")
    async def headed(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await answer(request)
        response.headers.update(HEADERS)
        return response

    return gr.mount_gradio_app(
        app, blocks, path="/", max_file_size=UPLOAD, ssr_mode=False, show_error=False, **looks()
    )


def _of_this_machine(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

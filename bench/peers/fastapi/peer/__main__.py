import uvicorn

from .config import settings

host, port = settings.listen.rsplit(":", 1)
uvicorn.run(
    "peer.app:app",
    host=host,
    port=int(port),
    workers=settings.workers,
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
    proxy_headers=False,
    server_header=False,
    timeout_graceful_shutdown=5,
)

"""Settings of an installation: where it listens, where its data is, and what it logs."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from easel.domain.secret import Secret
from easel.settings.description import Description, Group


class InstallationFields(msgspec.Struct, frozen=True, kw_only=True):
    """Network, data, database and logs."""

    host: Annotated[
        str,
        Description(
            Group.NETWORK,
            "Address that the web processes listen on. `0.0.0.0` means all IPv4 addresses, `::` all IPv6 and IPv4 "
            "addresses.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65535),
        Description(Group.NETWORK, "Port that the web processes listen on. 0 picks a free port."),
    ] = 8000
    web_processes: Annotated[
        int,
        Meta(ge=1, le=64),
        Description(
            Group.NETWORK,
            "Web processes that `easel serve` and `easel web` start, all on the same port. Each uses up to one "
            "processor core. Limits on requests, connections and streams apply to all of them together.",
        ),
    ] = 1
    metrics_port: Annotated[
        int,
        Meta(ge=0, le=65535),
        Description(
            Group.NETWORK,
            "Port on which the first process serves its metrics for Prometheus, without a key. Each further process of "
            "`easel serve` or `easel web` takes the next one: the web processes first, then the workers. 0 means that "
            "no process does.",
        ),
    ] = 0
    metrics_host: Annotated[
        str,
        Description(Group.NETWORK, "Address that the metrics are served on. Anybody who reaches it can read them."),
    ] = "127.0.0.1"
    public_url: Annotated[
        str | None,
        Description(
            Group.NETWORK,
            "Base URL of the links in answers, such as `https://images.your-domain.com`. Set it behind a proxy that "
            "terminates TLS, with the path if there is one.",
            default="the address that the client used",
        ),
    ] = None
    trusted_proxies: Annotated[
        str | None,
        Description(
            Group.NETWORK,
            "Comma-separated addresses or networks of proxies that Easel trusts. It takes the client's address and "
            "scheme from their `X-Forwarded-For` and `X-Forwarded-Proto` headers.",
        ),
    ] = None
    cors_origins: Annotated[
        str | None,
        Description(
            Group.NETWORK, "Comma-separated origins of web pages that may call the API from a browser, or `*` for all."
        ),
    ] = None
    console: Annotated[
        Literal["on", "off"],
        Description(
            Group.NETWORK,
            "Whether the web processes serve the console, the page at `/` on which people sign in and draw: `on` or "
            "`off`.",
        ),
    ] = "on"
    config: Annotated[
        Path | None,
        Description(
            Group.DATA,
            "TOML file with settings, each by its name in lower case without `EASEL_`, such as `port = 8080`. Variables of "
            "the environment take precedence.",
        ),
    ] = None
    data_dir: Annotated[
        Path,
        Description(
            Group.DATA,
            "Folder for the private database, the pictures and the secret.",
            default="`/var/lib/easel` for root, otherwise `easel` in `$XDG_DATA_HOME` or `~/.local/share`",
        ),
    ]
    secret: Annotated[
        Secret | None,
        Description(
            Group.DATA,
            "Secret that protects API keys and signs links and callbacks, at least 32 characters long. Every "
            "process needs the same one. Required with `EASEL_DATABASE_URL`.",
            default="generated in the data folder",
            has_file_variant=True,
        ),
    ] = None
    storage_url: Annotated[
        str | None,
        Description(
            Group.DATA,
            "Where pictures are stored: a folder, or a bucket such as `s3://bucket/prefix`, `gs://…` or `az://…`. "
            "Credentials for a bucket come from the variables and files that the cloud's own tools use.",
            default="`pictures` in the data folder",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        Description(
            Group.DATABASE,
            "Your own PostgreSQL server, 14 or newer, such as `postgresql://user:password@host:5432/database`. The "
            "database must be Easel's alone.",
            default="a private PostgreSQL in the data folder",
        ),
    ] = None
    database_connections: Annotated[
        int,
        Meta(ge=2, le=100),
        Description(
            Group.DATABASE,
            "Maximum number of database connections in the pool of each process. Each process opens one more to listen "
            "for notifications.",
        ),
    ] = 8
    database_wait_s: Annotated[
        float,
        Meta(ge=0, le=3600),
        Description(
            Group.DATABASE,
            "How many seconds a process waits, when it starts, for a database that does not answer yet.",
        ),
    ] = 30.0
    database_pooler: Annotated[
        Literal["none", "transaction", "transaction-prepared"],
        Description(
            Group.DATABASE,
            "`transaction` if `EASEL_DATABASE_URL` leads to a pooler that lends connections for one transaction, such as "
            "PgBouncer in its transaction mode. `transaction-prepared` if it knows prepared statements too, as PgBouncer "
            "does since 1.22 with `max_prepared_statements` of at least 200: PostgreSQL then works half as much. A pooler "
            "in session mode needs no setting.",
        ),
    ] = "none"
    database_direct_url: Annotated[
        str | None,
        Description(
            Group.DATABASE,
            "URL of the same database without the pooler. Updates of the tables need it, so give it to at least one "
            "process. A web process with it listens for changes of tasks; one without it reads waiting tasks four times "
            "a second.",
        ),
    ] = None
    postgres_bin: Annotated[
        Path | None,
        Description(
            Group.DATABASE,
            "Folder with PostgreSQL's programs for the private database.",
            default="the programs that come with Easel",
        ),
    ] = None
    postgres_user: Annotated[
        str | None,
        Description(
            Group.DATABASE,
            "System user that runs the private database when root starts Easel.",
            default="`easel` if that user exists, otherwise `nobody`",
        ),
    ] = None
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Description(Group.LOGS, "`json`, `text`, or `auto`, which means text on a terminal and JSON elsewhere."),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Description(Group.LOGS, "Lowest level that is logged: `debug`, `info`, `warning` or `error`."),
    ] = "info"
    traces: Annotated[
        Literal["off", "on"],
        Description(
            Group.LOGS,
            "`on` sends traces with OpenTelemetry. Its own variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`, say where to. "
            "Needs Easel's extra `otel`.",
        ),
    ] = "off"

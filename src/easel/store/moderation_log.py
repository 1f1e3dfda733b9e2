"""The moderation log: what was decided, when and why, but never the words of the prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from easel.domain.moderation.decision import Decision
from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class Judged:
    """Whose prompt was judged, and a keyed digest of it, 32 bytes. Without a task, the request was answered with an
    error."""

    account_id: int
    task_id: str | None
    prompt_digest: bytes


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision as it is listed."""

    decided_at: datetime
    account: str
    task_id: str | None
    stage: str
    level: str
    outcome: str
    layer: str
    category: str | None
    rule: str
    rule_version: str
    scores: Mapping[str, float]
    prompt_digest: bytes


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """A number of equal decisions."""

    stage: str
    outcome: str
    layer: str
    category: str | None
    decisions: int


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """Which decisions to list, at most `count_max`. None matches all."""

    account: str | None = None
    outcome: str | None = None
    task_id: str | None = None
    prompt_digest: bytes | None = None
    count_max: int = 50


async def add(connection: Writer, judged: Judged, decision: Decision) -> None:
    """Add a decision, unless it is there already."""
    finding = decision.finding
    values: dict[str, Any] = {
        "account_id": judged.account_id,
        "task_id": judged.task_id,
        "prompt_digest": judged.prompt_digest,
        "stage": decision.stage,
        "level": decision.level,
        "outcome": decision.outcome,
        "layer": decision.layer,
        "category": finding.category if finding else None,
        "rule": finding.rule if finding else decision.reason,
        "rule_version": finding.version if finding else "",
        "scores": Jsonb(dict(finding.scores) if finding else {}),
    }
    await connection.execute(
        """
        INSERT INTO moderation_decisions
            (account_id, task_id, prompt_digest, stage, level, outcome, layer, category, rule, rule_version, scores)
        VALUES (%(account_id)s, %(task_id)s, %(prompt_digest)s, %(stage)s, %(level)s, %(outcome)s, %(layer)s,
            %(category)s, %(rule)s, %(rule_version)s, %(scores)s)
        ON CONFLICT (task_id, stage, layer, rule) DO NOTHING
        """,
        values,
    )


async def list_decisions(connection: Reader, search: DecisionSearch) -> list[ListedDecision]:
    """The latest decisions, newest first."""
    cursor = connection.cursor(row_factory=class_row(ListedDecision))
    await cursor.execute(
        """
        SELECT decided_at, accounts.name AS account, task_id, stage, level, outcome, layer, category, rule,
            rule_version, scores, prompt_digest
        FROM moderation_decisions JOIN accounts ON accounts.id = account_id
        WHERE (%(account)s::text IS NULL OR accounts.name = %(account)s)
          AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
          AND (%(task_id)s::text IS NULL OR task_id = %(task_id)s)
          AND (%(prompt_digest)s::bytea IS NULL OR prompt_digest = %(prompt_digest)s)
        ORDER BY decided_at DESC LIMIT %(count_max)s
        """,
        {
            "account": search.account,
            "outcome": search.outcome,
            "task_id": search.task_id,
            "prompt_digest": search.prompt_digest,
            "count_max": search.count_max,
        },
    )
    return await cursor.fetchall()


async def count_decisions(connection: Reader, days: int) -> list[DecisionCount]:
    """How many decisions of each kind were made in the last days, most frequent first."""
    cursor = connection.cursor(row_factory=class_row(DecisionCount))
    await cursor.execute(
        """
        SELECT stage, outcome, layer, category, count(*) AS decisions FROM moderation_decisions
        WHERE decided_at > now() - make_interval(days => %s)
        GROUP BY stage, outcome, layer, category ORDER BY decisions DESC, stage, layer, category
        """,
        (days,),
    )
    return await cursor.fetchall()


async def delete_old(connection: Writer, lifetime_h: int, count_max: int) -> int:
    """Delete decisions older than `lifetime_h`, at most `count_max`. Returns how many."""
    cursor = await connection.execute(
        """
        DELETE FROM moderation_decisions WHERE id IN (
            SELECT id FROM moderation_decisions WHERE decided_at < now() - make_interval(hours => %s)
            ORDER BY decided_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (lifetime_h, count_max),
    )
    return cursor.rowcount

"""The trial of what targets hold: whether storage accepts it now, which no arithmetic can tell. Changes nothing."""

import concurrent.futures
from collections.abc import Mapping

from rotator.azure.errors import StorageRefusedError
from rotator.issuers.interface import Prover
from rotator.plan.plan import Target
from rotator.reporting import report
from rotator.reporting.report import Failed
from rotator.sas import Sas

_AT_ONCE = 32


def refused(held: Mapping[Target, Sas], prover: Prover, endpoint: str) -> tuple[dict[Target, Failed], tuple[str, ...]]:
    """Name the targets whose SAS storage refuses, and give a warning where it judges none.

    Targets of one run hold the same SAS, which is tried once; others are tried at the same time.
    """
    distinct: list[Sas] = []
    for each in held.values():
        if each not in distinct:  # not hashed: that would be a look at a secret by its value
            distinct.append(each)
    if not distinct:
        return {}, ()
    with concurrent.futures.ThreadPoolExecutor(min(len(distinct), _AT_ONCE), "trial") as pool:
        answers = list(pool.map(lambda each: _try(each, prover, endpoint), distinct))
    told = {target: answers[distinct.index(each)] for target, each in held.items()}
    refusals = {target: answer for target, answer in told.items() if isinstance(answer, Failed)}
    return refusals, tuple(dict.fromkeys(answer for answer in answers if isinstance(answer, str)))


def _try(sas: Sas, prover: Prover, endpoint: str) -> Failed | str | None:
    """Give storage's refusal, or a warning where it does not judge the SAS."""
    try:
        prover.prove(sas, endpoint)
    except StorageRefusedError as error:
        found = report.failure(error)
        return Failed(found.error, found.message.removesuffix("; it was not delivered"), found.remedy)
    except Exception as error:  # noqa: BLE001  # whatever befalls the trial, the status tells the rest
        return f"what the targets hold was not tried on storage: {report.failure(error).message}"
    return None

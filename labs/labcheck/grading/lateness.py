"""Late hand-ins: a part of the grade for each day begun after the end; never a void."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from math import ceil

from labcheck.grading.grade import Finding, Grade

LATE = "late"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """Until when a lab may be handed in, and the part that each day after that takes off."""

    at: datetime
    per_day: Decimal

    def applied(self, grade: Grade) -> Grade:
        """Return a grade with the penalty that its time deserves, whatever it had before."""
        findings = tuple(finding for finding in grade.findings if finding.code != LATE)
        late = grade.handed_in_at - self.at if grade.handed_in_at is not None else timedelta(0)
        if late <= timedelta(0):
            return replace(grade, penalty=Decimal(0), findings=findings)
        days = ceil(late / _DAY)
        penalty = min(Decimal(1), self.per_day * days)
        said = "un día" if days == 1 else f"{days} días"
        taken = (penalty * 100).normalize()
        text = f"Llegó {said} tarde (venció el {self.at:%Y-%m-%d %H:%M}): se descuenta {taken:f} %."
        return replace(grade, penalty=penalty, findings=(*findings, Finding(LATE, text)))


def moment(text: str, *, end_of_day: bool) -> datetime:
    """Read ``2026-03-20`` or ``2026-03-20T18:00``, of this machine's time zone unless it names another.

    Raises:
        ValueError: it is neither.
    """
    told = datetime.fromisoformat(text)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) and end_of_day:
        told = datetime.combine(told.date(), time(23, 59, 59))
    return told if told.tzinfo is not None else told.astimezone()

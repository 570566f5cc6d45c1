"""The texts of weekly and monthly reports, Korean and English side by side; part of ``wording.TEXTS``."""

from __future__ import annotations

from typing import Final

PERIOD_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "period_week": ("주간 보고서 {name}: {first} ~ {last}", "Week {name}: {first} to {last}"),
    "period_month": ("월간 보고서 {name}: {first} ~ {last}", "Month {name}: {first} to {last}"),
    "period_subject": ("{name} 텔레메트리 보고서", "Telemetry report of {name}"),
    "period_days": (
        "{total}일 가운데 {days}일의 수치로 만들었습니다.",
        "Made from the numbers of {days} of {total} days.",
    ),
    "period_missing": ("동결된 기록이 없는 날: {days}.", "Days that were not frozen: {days}."),
    "period_no_days": ("이 기간에 동결된 날이 없습니다.", "No day of this period was frozen."),
    "section_period_signals": ("신호", "Signals"),
    "section_period_days": ("날짜별", "Day by day"),
    "section_period_method": ("계산 방법", "How the numbers are made"),
    "period_fact_days": ("동결된 날", "Days"),
    "column_days": ("날 수", "Days"),
    "column_daily_median": ("일평균의 중앙값", "Median of means"),
    "column_daily_mad": ("MAD", "MAD"),
    "column_best": ("가장 좋은 날", "Best day"),
    "column_worst": ("가장 나쁜 날", "Worst day"),
    "column_day": ("날", "Day"),
    "column_gaps": ("공백", "Gaps"),
    "column_silence": ("공백 시간", "Silence"),
    "column_rules": ("규칙 변경", "Rule changes"),
    "column_risks": ("위험 기록", "Risks"),
    "column_off_target": ("평균이 목표 밖인 신호", "Means off target"),
    "period_method_share": (
        "목표 내 비율은 마지막 날의 목표와 같은 목표를 둔 날들의 모든 값 가운데 목표 안에 든 값의 비율입니다.",
        "On target is the share of all values on the days that had the same target as the last one.",
    ),
    "period_method_median": (
        "중앙값과 MAD(중앙값에서 벗어난 크기의 중앙값)는 하루 평균들의 것입니다.",
        "Median and MAD, the median of the absolute deviations from it, are those of the means of the days.",
    ),
    "period_method_days": (
        "가장 좋은 날과 나쁜 날은 목표 내 비율로, 목표가 없으면 하루 평균으로 정하며, 같으면 이른 날입니다. "
        "수치는 각 날이 마지막으로 동결되었을 때의 것입니다.",
        "Best and worst days are by share on target, or by mean where there is no target, the earlier of equal ones. "
        "The numbers are those with which each day was last frozen.",
    ),
}

"""The texts of weekly and monthly reports, Korean and English side by side; part of ``wording.TEXTS``."""

from __future__ import annotations

from typing import Final

from lumen_assets.report.finding_texts import FINDING_TEXTS

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
    # findings
    "finding_period_no_days": (
        "이 기간에 동결된 날이 없습니다. 신호 통계와 그래프가 없는 것은 이 때문입니다.",
        "No day of this period was frozen. That is why there are no signal statistics and no figures.",
    ),
    "finding_period_missing": (
        "{total}일 가운데 {count}일이 동결되지 않았습니다: {days}.",
        "Not frozen: {count} of {total} days ({days}).",
    ),
    "finding_period_critical_risks": FINDING_TEXTS["finding_critical_risks"],
    "finding_period_off_target": (
        "{label}의 하루 평균이 {total}일 가운데 {off}일 동안 목표({target})를 벗어났습니다: {days}. "
        "목표 안의 값은 {share}입니다.",
        "{label} had its mean of the day off target ({target}) on {off} of {total} days: {days}. "
        "Values on target: {share}.",
    ),
    "finding_period_few_days": (
        "{label:은/는} {total}일 가운데 {days}일에 값이 있습니다. 값이 없는 날: {silent}.",
        "{label} has values on {days} of {total} days; none on {silent}.",
    ),
    "finding_period_few_rows": (
        "행이 기대한 수의 {wanted}보다 적은 날이 {total}일 가운데 {count}일입니다: {days}.",
        "On {count} of {total} days there were fewer than {wanted} of the rows expected: {days}.",
    ),
    "finding_period_few_values": (
        "{label:은/는} {total}일 가운데 {count}일에 기대한 것보다 값이 적습니다: {days}.",
        "{label} has fewer values than expected on {count} of {total} days: {days}.",
    ),
    "finding_period_gaps": (
        "기록이 {days}일에 걸쳐 {count}회, 모두 {length} 동안 끊겼습니다. {longest}",
        "Silences in the record: {count} ({length} in all); days with one: {days}. {longest}",
    ),
    "period_longest_gap": (
        "가장 긴 공백은 {day} {start}부터 {end}까지 {length}입니다.",
        "The longest, {length}, was on {day} from {start} to {end}.",
    ),
    "period_most_silent": (
        "공백이 가장 긴 날은 {day}이며 {length}입니다.",
        "The most silent day was {day}: {length}.",
    ),
    "finding_period_worsened": (
        "{label:이/가} {before}보다 나빠졌습니다: {changes}.",
        "{label} got worse against {before}: {changes}.",
    ),
    "finding_period_partly_off_target": (
        "{label:은/는} 하루 평균이 모두 목표({target}) 안에 있으나 값의 {off}가 목표를 벗어났습니다.",
        "{label} has the mean of every day on target ({target}), but {off} of its values are off target.",
    ),
    "finding_period_risks": FINDING_TEXTS["finding_risks"],
    "finding_period_changed": (
        "{label:이/가} {before:과/와} 다릅니다: {changes}.",
        "{label} changed against {before}: {changes}.",
    ),
    "finding_period_improved": (
        "{label:이/가} {before}보다 좋아졌습니다: {changes}.",
        "{label} got better against {before}: {changes}.",
    ),
    "finding_period_nothing": (
        "모든 날이 동결되었고, 행이 적은 날, 목표를 벗어난 신호, 기록 공백, 경고 이상의 위험 기록이 없습니다.",
        "Every day was frozen, and none has few rows. No signal is off target; there is no gap, and no risk of "
        "severity warn or crit.",
    ),
    "before_week": ("전주", "the week before"),
    "before_month": ("전월", "the month before"),
    "change_of_median": (
        "하루 평균의 중앙값 {then} → {now} (차이 {change}, MAD {mad})",
        "median of the daily means {then} → {now} (difference {change}, MAD {mad})",
    ),
    "change_of_shares": (
        "목표 내 비율 {then} → {now} (차이 {change})",
        "share on target {then} → {now} (difference {change})",
    ),
    "period_basis": (
        "{name:과/와} 비교했습니다. 그 기간에 동결된 날은 {days}일입니다.",
        "Compared with {name}; days of it that were frozen: {days}.",
    ),
    "period_no_basis": (
        "앞선 기간 {name}에 동결된 날이 없어 비교하지 않았습니다.",
        "Compared with nothing: no day of {name}, the period before, was frozen.",
    ),
    "period_basis_too_short": (
        "{name:과/와} 비교하지 않았습니다. 두 기간 모두 절반 이상의 날이 동결되어야 하는데, "
        "이 기간은 {total}일 가운데 {days}일, {name:은/는} {total_before}일 가운데 {days_before}일입니다.",
        "Not compared with {name}: at least half of the days of both need to be frozen. Here {days} of {total} are, "
        "there {days_before} of {total_before}.",
    ),
    # against the period before
    "section_period_before": ("{name:과/와} 비교", "Against {name}"),
    "column_median_of": ("중앙값, {name}", "Median, {name}"),
    "column_share_of": ("목표 내 비율, {name}", "On target, {name}"),
    "column_change": ("차이", "Change"),
    "column_greater_mad": ("큰 쪽의 MAD", "Greater MAD"),
    # figures
    "section_period_means": ("날마다의 평균", "The days in figures"),
    "period_means_legend": (
        "네모는 하루 평균, 세로선은 그날의 최솟값부터 최댓값까지, 연녹색 영역은 마지막 날의 목표 범위, 점선은 그 "
        "경계입니다. 마름모는 평균이 그날의 목표를 벗어난 날, 빗금은 값이 없거나 동결되지 않은 날입니다.",
        "Squares are means of a day, the lines through them its minimum and maximum; the green area is the last day's "
        "target range within dashed bounds. A diamond: the mean is off that day's target. Hatched: no values, or not "
        "frozen.",
    ),
    "period_means_alternative": ("{name} {label}의 날마다의 평균", "{label} on each day of {name}"),
    "period_means_caption": (
        "하루 평균의 중앙값 {median} · 최솟값 {minimum} · 최댓값 {maximum}",
        "median of the daily means {median} · min {minimum} · max {maximum}",
    ),
    "section_period_shares": ("날마다의 목표 내 비율", "On target, day by day"),
    "period_shares_legend": (
        "칸의 숫자는 목표 안에 든 값의 비율(%, 소수점 이하 버림)이며, 낮을수록 짙습니다. 빗금은 동결되지 않았거나 값이 "
        "없거나 목표가 마지막 날과 달랐던 날입니다.",
        "The number is the share of values on target in percent, rounded down; the lower, the darker. Hatched: not "
        "frozen, no values, or the target was another one than on the last day.",
    ),
    "period_shares_alternative": (
        "{name} 날마다의 목표 내 비율: {labels}",
        "Share on target on each day of {name}: {labels}",
    ),
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
        "보이는 자리까지 모든 날이 같으면 둘 다 ‘–’로 둡니다. 수치는 각 날이 마지막으로 동결되었을 때의 것입니다.",
        "Best and worst days are by share on target, or by mean where there is no target, the earlier of equal ones; "
        "“–” for both where all days are alike in the digits shown. The numbers are those with which each day was last "
        "frozen.",
    ),
    "period_method_change": (
        "앞선 기간과는 두 기간 모두 절반 이상의 날에 값이 있는 신호만 비교합니다. 중앙값은 두 MAD 가운데 큰 것의 "
        "{times}배를 넘는 차이가 나면, 목표 내 비율은 {points} 이상 움직이면 달라진 것으로 봅니다.",
        "A signal is compared with the period before if it has values on at least half of the days of both. Its median "
        "counts as changed where it is further off than {times} times the greater MAD of the two, its share where it "
        "moved by {points} or more.",
    ),
    "period_method_gap": (
        "자정을 넘는 공백은 날마다 따로 셉니다.",
        "A silence over midnight counts in each of its days.",
    ),
}

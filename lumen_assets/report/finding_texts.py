"""The sentences of findings, Korean and English side by side; part of ``wording.TEXTS``.

In the Korean ones ``{label:은/는}`` gives a label with the particle that fits it.
"""

from __future__ import annotations

from typing import Final

FINDING_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "finding_empty": (
        "이날은 기록된 텔레메트리가 없습니다. 신호 통계와 그래프가 없는 것은 이 때문입니다.",
        "No telemetry was recorded on this day. That is why there are no signal statistics and no figures.",
    ),
    "finding_unusable": (
        "이날은 쓸 수 있는 기록이 없습니다. 텔레메트리 {count}줄을 모두 제외했습니다. "
        "신호 통계와 그래프가 없는 것은 이 때문입니다.",
        "Nothing recorded on this day could be used: every line of its telemetry was left out ({count}). That is why "
        "there are no signal statistics and no figures.",
    ),
    "finding_no_values": (
        "이날의 텔레메트리에는 값이 있는 신호가 하나도 없습니다.",
        "No signal has a single value in this day's telemetry.",
    ),
    "finding_critical_risks": (
        "심각한 위험이 있습니다. 위험 기록은 모두 {count}건입니다({by_severity}).",
        "There are critical risks. Risks recorded: {count} ({by_severity}).",
    ),
    "finding_off_target": (
        "{label:이/가} 목표를 벗어났습니다: 하루 평균 {mean}, 목표 {target}, 목표 안의 값 {share}.",
        "{label} is off target: mean of the day {mean}, target {target}, values on target {share}.",
    ),
    "finding_no_column": (
        "{label:은/는} 설정에는 있으나 이날 기록에 열이 없습니다.",
        "{label} is configured, but this day's record has no such column.",
    ),
    "finding_all_null": (
        "{label:은/는} 열은 있으나 이날 값이 하나도 없습니다.",
        "{label} has a column, but not a single value on this day.",
    ),
    "finding_gaps": (
        "기록이 {count}회, 모두 {length} 동안 끊겼습니다. 가장 긴 공백은 {start}부터 {end}까지입니다. "
        "수집률은 {coverage}입니다.",
        "Silences in the record: {count} ({length} in all), the longest from {start} to {end}. Coverage: {coverage}.",
    ),
    "finding_coverage": (
        "공백은 없으나 쓸 수 있는 행은 기대한 수의 {coverage}입니다.",
        "There is no gap, but the rows that can be used are {coverage} of those expected.",
    ),
    "finding_few_values": (
        "{label:은/는} 이날 기대한 값의 {coverage}만 있습니다({expected}개 가운데 {count}개).",
        "{label} has only {coverage} of the values expected on this day ({count} of {expected}).",
    ),
    "finding_gone": (
        "전날에는 값이 있었으나 이날은 값이 하나도 없는 열: {names}.",
        "Columns with values on the day before and not one on this day: {names}.",
    ),
    "more_columns": (" 외 {count}개", " and {count} more"),
    "finding_beside": (
        "함께 읽은 {name}의 수집률은 {coverage}입니다. 공백: {count}회, 모두 {length}.",
        "Coverage of {name}, which is read beside the record: {coverage}. Silences: {count} ({length} in all).",
    ),
    "finding_unusual_mean": (
        "{label}의 하루 평균이 평소와 다릅니다: {value}, 지난 28일 중 {days}일의 중앙값 {median}, "
        "차이 {change}, MAD {mad}.",
        "The mean of {label} is not as usual: {value} against a median of {median} over {days} of the last 28 days, "
        "difference {change}, MAD {mad}.",
    ),
    "finding_unusual_share": (
        "{label}의 목표 내 비율이 평소와 다릅니다: {value}, 지난 28일 중 {days}일의 중앙값 {median}, "
        "차이 {change}, MAD {mad}.",
        "The share on target of {label} is not as usual: {value} against a median of {median} over {days} of the last "
        "28 days, difference {change}, MAD {mad}.",
    ),
    "finding_worsened": (
        "{label:이/가} 전날보다 나빠졌습니다: {changes}.",
        "{label} got worse against the day before: {changes}.",
    ),
    "finding_partly_off_target": (
        "{label:은/는} 하루 평균이 목표({target}) 안에 있으나 값의 {off}가 목표를 벗어났습니다.",
        "{label} has its mean on target ({target}), but {off} of its values are off target.",
    ),
    "finding_risks": (
        "위험 기록은 모두 {count}건입니다({by_severity}).",
        "Risks recorded: {count} ({by_severity}).",
    ),
    "finding_effects_differ": (
        "{label}에 대해 기록된 규칙 효과 중 다시 계산할 수 있는 {checked}건 가운데 {count}건이 계산한 값과 다릅니다. "
        "차이가 가장 큰 것은 {number}번 변경입니다: 기록 {recorded}, 계산 {measured}.",
        "Recorded rule effects on {label}: {count} of the {checked} that could be recomputed are not what the rows "
        "say, most that of change {number} (recorded {recorded}, recomputed {measured}).",
    ),
    "finding_means_differ": (
        "{label}에 대해 기록된 규칙 변경 전후 평균 중 다시 계산할 수 있는 {checked}개 가운데 {count}개가 계산한 값과 "
        "다릅니다. "
        "차이가 가장 큰 것은 {number}번 변경 {side}의 평균입니다: 기록 {recorded}, 계산 {measured}.",
        "Recorded means of {label} around rule changes: {count} of the {checked} that could be recomputed are not what "
        "the rows say, most the one {side} change {number} (recorded {recorded}, recomputed {measured}).",
    ),
    "finding_actors_differ": (
        "두 기록에 다 있는 규칙 변경 {checked}건 가운데 {count}건은 rules_effects.csv의 변경자가 rules_history.jsonl과 "
        "다릅니다. 첫째는 {number}번 변경입니다.",
        "Rule changes whose actor in rules_effects.csv is another than in rules_history.jsonl: {count} of the "
        "{checked} that both have; the first is change {number}.",
    ),
    "finding_effects_unchecked": (
        "규칙 변경 {count}건은 변경 앞이나 뒤 30초에 값이 50개가 안 되어, rules_effects.csv에 기록된 효과를 확인할 수 "
        "없습니다.",
        "Rule changes whose recorded effect cannot be checked, for there are fewer than 50 values in the half minute "
        "before or after: {count}.",
    ),
    "finding_effects_without_change": (
        "rules_effects.csv에 있는 효과 {count}건은 rules_history.jsonl에 변경 기록이 없습니다.",
        "Effects in rules_effects.csv whose change is not in rules_history.jsonl: {count}.",
    ),
    "finding_changes_without_effect": (
        "rules_history.jsonl에 있는 규칙 변경 {changes}건 가운데 {count}건은 rules_effects.csv에 효과 기록이 없습니다.",
        "Rule changes in rules_history.jsonl without an effect in rules_effects.csv: {count} of {changes}.",
    ),
    "finding_other_days": (
        "이날의 텔레메트리 사이에 다른 날의 행 {count}개가 있어 어느 날의 수치에도 들지 않습니다: {days}. "
        "늦게 온 것이면 sources.late_days를 늘리고 그날을 다시 만드십시오.",
        "Rows of other days among this day's telemetry, in no day's numbers: {count}, of {days}. If they came late, "
        "raise sources.late_days, and make their days again.",
    ),
    "finding_late_rows": (
        "이날의 텔레메트리 사이에 다른 날의 행 {count}개가 있어 그날의 수치에 듭니다: {days}. "
        "이 행이 오기 전에 동결한 날은 다시 만드십시오.",
        "Rows of other days among this day's telemetry, which count in theirs: {count}, of {days}. A day that was "
        "frozen before they came needs to be made again.",
    ),
    "more_days": (" 외 {count}일", " and {count} more days"),
    "finding_rejected": (
        "수치에서 제외한 줄이 {count}개 있습니다. 사유와 예는 ‘입력 파일’에 있습니다.",
        "Lines left out of the numbers: {count}. Reasons and examples are under Inputs.",
    ),
    "finding_changed": (
        "{label:이/가} 전날과 다릅니다: {changes}.",
        "{label} changed against the day before: {changes}.",
    ),
    "finding_improved": (
        "{label:이/가} 전날보다 좋아졌습니다: {changes}.",
        "{label} got better against the day before: {changes}.",
    ),
    "finding_nothing": (
        "목표를 벗어난 신호, 기록 공백, 경고 이상의 위험 기록이 없습니다.",
        "No signal is off target; there is no gap, and no risk of severity warn or crit.",
    ),
    "nothing_but_rows": (
        " 기대한 행의 {coverage}가 있습니다.",
        " Of the rows that were expected, {coverage} are there.",
    ),
    "change_of_mean": ("하루 평균 {change}", "mean of the day {change}"),
    "change_of_share": ("목표 내 비율 {change}", "share on target {change}"),
    "findings_more": ("이 밖에 {count}건이 JSON에 있습니다.", "Further ones, in the JSON: {count}."),
    "history_basis": (
        "지난 28일 가운데 값이 있는 {days}일의 수치와 비교했습니다.",
        "Compared with the numbers of {days} of the last 28 days, those frozen with values.",
    ),
    "history_no_values": (
        "이날은 값이 없어 지난 28일과 비교하지 않았습니다.",
        "Not compared with the last 28 days: this day has no values.",
    ),
    "history_too_short": (
        "지난 28일과는 비교하지 않았습니다. 값이 있는 동결된 날이 {enough}일보다 적었습니다.",
        "Not compared with the last 28 days: fewer than {enough} of them were frozen with values.",
    ),
}

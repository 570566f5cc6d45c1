"""Every text of the report, Korean and English side by side.

Signals' labels are configuration; rules, notes and quotes are inputs; everything else that a reader sees is here.
"""

from __future__ import annotations

from typing import Final

from lumen_assets.report.finding_texts import FINDING_TEXTS
from lumen_assets.report.model import Language
from lumen_assets.report.period_texts import PERIOD_TEXTS

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # Korean first, English second
    **FINDING_TEXTS,
    **PERIOD_TEXTS,
    "day": ("{year}년 {month}월 {day}일 ({weekday}), 한국 표준시(KST)", "{weekday}, {day} {month_name} {year}, KST"),
    "contents": ("차례", "Contents"),
    # what must be seen first
    "banner_sample": (
        "샘플 데이터(SAMPLE DATA)로 만든 보고서입니다. 실제 측정값이 아닙니다.",
        "SAMPLE DATA: this report is made from sample data, not from real measurements.",
    ),
    # sections
    "section_findings": ("먼저 볼 것", "Findings"),
    "section_summary": ("한눈에 보기", "At a glance"),
    "section_distribution": ("신호별 분포", "Distribution of the signals"),
    "section_figures": ("하루의 흐름", "The day in figures"),
    "section_calendar": ("지난 28일의 목표 내 비율", "On target, the last 28 days"),
    "section_gaps": ("기록 공백", "Gaps in the record"),
    "section_rules": ("규칙 변경과 효과", "Rule changes and their effects"),
    "section_quotes": ("인용문", "Quotes"),
    "section_risks": ("위험 기록", "Risks"),
    "section_inputs": ("입력 파일", "Inputs"),
    "section_provenance": ("출처와 설정", "Provenance and settings"),
    "section_seal": ("원본과 대조하기", "Where this can be proven"),
    "section_method": ("계산 방법", "How the numbers are made"),
    # at a glance
    "verdict_all": (
        "목표가 정해진 신호({total}개)는 모두 하루 평균이 목표 안에 있습니다.",
        "Every signal with a target ({total}) has its mean of the day on target.",
    ),
    "verdict_some": (
        "목표가 정해진 신호 {total}개 가운데 {good}개의 하루 평균이 목표 안에 있습니다.",
        "{good} of {total} signals with a target have their mean of the day on target.",
    ),
    "verdict_off": (" 목표를 벗어난 신호: {names}.", " Off target: {names}."),
    "verdict_silent": (" 값이 없는 신호: {count}개.", " Without values: {count}."),
    "verdict_none": (
        "목표와 비교할 수 있는 신호가 없습니다.",
        "There is no signal that could be compared with a target.",
    ),
    "fact_rows": ("기록 행 수", "Rows"),
    "fact_coverage": ("수집률", "Coverage"),
    "fact_silence": ("기록 공백", "Silence"),
    "fact_rules": ("규칙 변경", "Rule changes"),
    "fact_quotes": ("인용문", "Quotes"),
    "fact_risks": ("위험 기록", "Risks"),
    "fact_gateway": ("게이트웨이", "Gateway"),
    "fact_rejected": ("제외한 줄", "Lines left out"),
    "gaps_value": ("{count}회, {length}", "{count} ({length} in all)"),
    "none_short": ("없음", "none"),
    "times": ("{count}건", "{count}"),
    "times_and_lost": (
        "{count}건 (그중 {lost}건은 rules_effects.csv에만 있음)",
        "{count}, {lost} of them only in rules_effects.csv",
    ),
    "rows_of": ("{rows} / {expected}", "{rows} of {expected}"),
    "quotes_value": ("{count}건, 평균 신뢰도 {confidence}", "{count}, mean confidence {confidence}"),
    "change_basis": (
        "‘전일 대비’는 {day}의 값과 비교한 것입니다.",
        "Changes are against {day}.",
    ),
    "change_no_basis": (
        "전날 기록이 없어 전일 대비 변화는 계산하지 않았습니다.",
        "There is no record of the day before, so no changes are given.",
    ),
    "column_signal": ("신호", "Signal"),
    "column_target": ("목표", "Target"),
    "column_mean": ("평균", "Mean"),
    "column_mean_change": ("평균, 전일 대비", "Change of mean"),
    "column_share": ("목표 내 비율", "On target"),
    "column_share_change": ("비율, 전일 대비", "Change of share"),
    "column_verdict": ("평균 판정", "Mean is"),
    "on_target": ("목표 안", "on target"),
    "off_target": ("목표 밖", "off target"),
    "improved": ("개선", "better"),
    "worsened": ("악화", "worse"),
    "no_values": ("값 없음", "no values"),
    "no_column": ("열 없음", "no such column"),
    # distribution
    "column_count": ("값 개수", "Values"),
    "column_coverage": ("수집률", "Coverage"),
    "column_minimum": ("최솟값", "Min"),
    "column_p5": ("5%", "5%"),
    "column_p50": ("중앙값", "Median"),
    "column_p95": ("95%", "95%"),
    "column_maximum": ("최댓값", "Max"),
    "column_std": ("표준편차", "Std dev"),
    # figures
    "figures_legend": (
        "굵은 선은 2분 평균, 옅은 띠는 같은 2분의 최솟값과 최댓값, 연녹색 영역은 목표 범위입니다. "
        "점선은 목표의 경계, 빗금은 값이 없는 시간이며, 위쪽 번호는 ‘규칙 변경과 효과’ 표의 변경 번호입니다.",
        "The line is the mean of every two minutes, the pale band their minimum and maximum, the green area the "
        "target range within dashed bounds. Hatched: no values. The numbers above are those of the rule changes below.",
    ),
    "figures_left_out": (
        "설정에 없는 신호는 앞의 8개만 그립니다. 그래프를 생략한 신호: {names}.",
        "Of the signals that are not configured, the first eight are drawn. Without a figure: {names}.",
    ),
    "figure_caption": (
        "평균 {mean} · 최솟값 {minimum} · 최댓값 {maximum}",
        "mean {mean} · min {minimum} · max {maximum}",
    ),
    "figure_caption_share": (" · 목표 내 비율 {share}", " · on target {share}"),
    "distribution_legend": (
        "막대는 값의 빈도, 연녹색 영역은 목표 범위, 짙은 막대는 목표를 벗어난 값, 굵은 세로선은 중앙값, "
        "위쪽 가로선은 5%~95% 구간입니다. 양 끝의 숫자는 그림 밖에 있는 값의 수와 가장 먼 값입니다.",
        "Bars: how often each value was, dark where off target; the green area is the target range, the thick line the "
        "median, the line above from 5% to 95%. At the ends: how many values lie beyond, and the furthest.",
    ),
    "distribution_alternative": ("{day} 값의 분포: {labels}", "Distribution of values on {day}: {labels}"),
    "calendar_legend": (
        "칸의 숫자는 목표 안에 든 값의 비율(%, 소수점 이하 버림)이며, 낮을수록 짙습니다. 굵은 테두리가 이날이고, "
        "빗금은 동결된 수치가 없거나 목표가 지금과 달랐던 날입니다.",
        "The number is the share of values on target in percent, rounded down; the lower, the darker. The thick frame "
        "is this day. Hatched: nothing was frozen, or the target was another one.",
    ),
    "calendar_alternative": (
        "{day}까지 28일의 목표 내 비율: {labels}",
        "Share on target in the 28 days to {day}: {labels}",
    ),
    "figure_alternative": ("{day} {label} 그래프", "{label} on {day}"),
    "figure_target": ("목표 {target}", "target {target}"),
    "figure_base": ("눈금 {base}", "ticks {base}"),
    "figure_hour": ("KST", "KST"),
    # pictures from Grafana
    "section_grafana": ("Grafana 화면", "From Grafana"),
    "grafana_panel": ("패널 {panel}", "panel {panel}"),
    "grafana_dashboard": ("대시보드", "dashboard"),
    "grafana_caption": (
        "Grafana {what}, {day} 하루(KST). Grafana가 그린 그림이며 이 보고서의 수치와는 따로 계산된 것입니다.",
        "Grafana's {what} over {day}, KST. Drawn by Grafana, from its own data: not from the numbers of this report.",
    ),
    "finding_pictures": (
        "Grafana 그림 {asked}개 가운데 {missing}개를 받지 못했습니다.",
        "Pictures that Grafana did not give: {missing} of {asked}.",
    ),
    # gaps
    "gaps_none": (
        "{threshold}보다 긴 공백은 없었습니다.",
        "There was no silence longer than {threshold}.",
    ),
    "gaps_count": (
        "{threshold}보다 긴 공백이 {count}회, 모두 합쳐 {length}입니다.",
        "Silences longer than {threshold}: {count} ({length} in all).",
    ),
    "gaps_longest": ("가장 긴 {shown}개를 긴 순서로 적었습니다.", "The {shown} longest are listed, longest first."),
    "gaps_beside": (
        "함께 읽은 소스는 저마다 기대한 간격으로 셉니다. 공백은 5초와 행 10개의 간격 가운데 긴 쪽보다 긴 것입니다.",
        "What is read beside it is counted by its own rate; a silence there is longer than 5 s and than ten rows.",
    ),
    "column_source": ("소스", "Source"),
    "column_longest": ("가장 긴 공백", "Longest"),
    "column_start": ("시작", "Start"),
    "column_end": ("끝", "End"),
    "column_length": ("길이", "Length"),
    # rules
    "rules_none": ("이날은 규칙 변경이 없었습니다.", "No rule was changed on this day."),
    "rules_explained": (
        "효과는 변경 1~30초 뒤의 평균에서 30~1초 전의 평균을 뺀 값입니다. 한쪽이라도 값이 50개보다 적으면 "
        "‘–’로 둡니다. 괄호 안은 rules_effects.csv에 기록되어 있던 효과이며, 다시 계산한 값과 다르면 ‘≠’를 붙입니다. "
        "기록된 변경자가 다르면 변경자 칸에, 기록된 전후 평균이 다르면 메모에 ‘≠’와 함께 적습니다.",
        "An effect is the mean 1 to 30 s after the change minus the mean 30 to 1 s before it, or “–” where a side has "
        "fewer than 50 values. In brackets: the effect that rules_effects.csv recorded, with “≠” where it differs. "
        "“≠” also marks another actor, beside the actor, and other means before or after, in the notes.",
    ),
    "side_before": ("전", "before"),
    "side_after": ("후", "after"),
    "rule_mean_differs": (
        "{label}, 변경 {side}의 평균: 계산 {measured} ≠ 기록 {recorded}",
        "{label}, mean {side} the change: recomputed {measured} ≠ recorded {recorded}",
    ),
    "rules_more": ("그 밖의 신호에 대한 효과:", "Effects on further signals:"),
    "column_number": ("번호", "No."),
    "column_time": ("시각", "Time"),
    "column_actor": ("변경자", "Actor"),
    "column_rule": ("규칙", "Rule"),
    "column_old_new": ("이전 → 이후", "Old → new"),
    "rules_notes": ("변경 메모", "Notes on the changes"),
    "column_note": ("메모", "Note"),
    "rule_not_in_history": (
        "rules_effects.csv에만 있고 rules_history.jsonl에는 없는 변경입니다.",
        "Only rules_effects.csv has this change; rules_history.jsonl does not.",
    ),
    "rule_windows": (
        "기록된 효과의 구간은 변경 전 {pre}, 변경 후 {post}입니다.",
        "The recorded effect's windows are {pre} before and {post} after the change.",
    ),
    # quotes and risks
    "quotes_none": ("이날은 인용문이 없습니다.", "There are no quotes on this day."),
    "quotes_some": (
        "모두 {count}건, 평균 신뢰도 {confidence}. 신뢰도가 높은 순서로 {shown}건을 싣습니다.",
        "{count} in all, mean confidence {confidence}. Shown, by confidence: {shown}.",
    ),
    "column_by": ("작성자", "By"),
    "column_confidence": ("신뢰도", "Confidence"),
    "column_quote": ("인용문", "Quote"),
    "column_delta": ("신호 변화", "Change of signals"),
    "risks_none": ("이날은 위험 기록이 없습니다.", "No risks were recorded on this day."),
    "risks_some": (
        "모두 {count}건 ({by_severity}). {shown}건을 최근 순으로 싣습니다.",
        "{count} in all ({by_severity}). Shown, latest first: {shown}.",
    ),
    "risks_more_critical": (
        "싣지 않은 심각한 위험이 {count}건 더 있습니다.",
        "Critical ones that are not shown: {count} more.",
    ),
    "column_severity": ("심각도", "Severity"),
    "column_signals": ("신호 값", "Signals"),
    "severity_crit": ("심각", "crit"),
    "severity_warn": ("경고", "warn"),
    "severity_info": ("정보", "info"),
    "severity_other": ("그 밖", "other"),
    # inputs
    "inputs_none": ("설정된 입력이 없습니다.", "No inputs are configured."),
    "column_input": ("입력", "Input"),
    "column_present": ("파일", "File"),
    "column_rows": ("읽은 행", "Rows read"),
    "column_rejected": ("제외한 줄", "Left out"),
    "column_notes": ("참고", "Remarks"),
    "present": ("있음", "present"),
    "absent": ("없음", "absent"),
    "rejected_examples": (
        "제외한 줄과 빈 줄의 예 (줄 번호는 그날 잘라 낸 조각 안에서 셉니다)",
        "Examples of lines left out or blank (line numbers count within the day's slice)",
    ),
    "column_line": ("줄", "Line"),
    "column_kind": ("사유", "Reason"),
    "column_content": ("내용", "Content"),
    "note_clock_backwards": ("시계 역행", "clock stepped back"),
    "note_nan_cells": ("유한하지 않은 칸(NaN 또는 무한대)", "cells that are not finite (NaN or infinite)"),
    "note_empty_cells": ("빈 칸", "empty cells"),
    "note_text_cells": ("숫자가 아닌 칸(글자)", "cells of text"),
    "note_text_columns": ("글자라서 뺀 열", "columns of text, left out"),
    "note_renamed_columns": ("이름을 바꾼 열", "renamed columns"),
    "note_no_header": ("머리글 없음", "no header"),
    "note_empty_file": ("빈 파일", "empty file"),
    "note_unknown_status": ("알 수 없는 상태 값", "unknown status"),
    "note_link": ("심볼릭 링크로 읽음", "read through a symbolic link"),
    "note_bad_yaml": ("YAML 오류", "not valid YAML"),
    "kind_blank": ("빈 줄", "blank"),
    "kind_repeated_header": ("반복된 머리글", "repeated header"),
    "kind_torn": ("잘린 줄", "torn"),
    "kind_bad_timestamp": ("잘못된 시각", "bad timestamp"),
    "kind_bad_number": ("숫자가 아님", "not a number"),
    "kind_other_day": ("다른 날짜", "other day"),
    "kind_duplicate_timestamp": ("중복된 시각", "duplicate timestamp"),
    "kind_not_utf8": ("UTF-8 아님", "not UTF-8"),
    "kind_too_long": ("너무 긴 줄", "too long"),
    "kind_no_header": ("머리글 없는 파일", "file without a header"),
    "kind_bad_json": ("JSON 오류", "not a JSON object"),
    "kind_missing_field": ("빠진 필드", "missing field"),
    "kind_bad_value": ("잘못된 값", "bad value"),
    "counted": ("{what} {count}", "{what}: {count}"),
    # provenance
    "provenance_explained": (
        "이 보고서는 아래 조각과 설정, 그리고 있는 경우 전날의 수치와 행, 지난 28일 중 동결된 날들의 수치, "
        "Grafana 그림으로 만들었습니다. 이 모두가 같으면 언제나 같은 보고서가 나옵니다.",
        "This report is made from the slices below and the settings and, where there are any, from the numbers and "
        "rows of the day before, the numbers of those of the last 28 days that were frozen, and the pictures from "
        "Grafana. The same of all of these gives the same report.",
    ),
    "column_digest": ("조각의 SHA-256", "SHA-256 of the slice"),
    "own_source": ("기본", "the day's own"),
    "column_read_as": ("읽은 방법", "Read as"),
    "read_csv": ("CSV 파일, 시각은 {column} 열: {times}", "CSV file, times in column {column}: {times}"),
    "times_iso": ("ISO 8601, UTC와의 차이가 적힌 것만", "ISO 8601 with an offset"),
    "times_iso_offset": (
        "ISO 8601, UTC와의 차이가 없으면 {offset}으로 봄",
        "ISO 8601, taken as {offset} where there is no offset",
    ),
    "times_unix_s": ("1970년(UTC)부터의 초", "seconds since 1970 UTC"),
    "times_unix_ms": ("1970년(UTC)부터의 밀리초", "milliseconds since 1970 UTC"),
    "read_prometheus": ("Prometheus {server}, {step} 간격", "Prometheus at {server}, every {step}"),
    "read_prometheus_unnamed": (
        "Prometheus, {step} 간격 (주소는 기록되지 않음)",
        "Prometheus, every {step} (its address was not recorded)",
    ),
    "provenance_asked": (
        "Prometheus에는 아래 식을 물었습니다: query_range로, KST 0시 정각부터 다음 자정 앞의 마지막 간격까지. "
        "서버 주소에서 경로와 로그인 정보는 적지 않습니다.",
        "Prometheus was asked for these expressions, by query_range, from 00:00:00 KST to the last step before "
        "midnight. Of its address, the path and any login are not written down.",
    ),
    "column_expression": ("PromQL 식", "PromQL expression"),
    "column_setting": ("항목", "Setting"),
    "column_value": ("값", "Value"),
    "setting_sample": ("샘플 데이터", "Sample data"),
    "setting_gateway": ("게이트웨이 상태", "Gateway status"),
    "setting_rate": ("기대 기록 빈도", "Expected rate"),
    "setting_rate_of": ("기대 기록 빈도: {name}", "Expected rate of {name}"),
    "setting_previous": ("비교한 전날", "Compared with"),
    "setting_grafana": ("Grafana 그림", "Pictures from Grafana"),
    "grafana_count": ("{asked}개 중 {count}개", "{count} of {asked}"),
    "grafana_none": ("없음 (설정하지 않음)", "none (not configured)"),
    "setting_target": ("목표: {label}", "Target of {label}"),
    "rate_value": ("초당 {rate}행", "{rate} rows a second"),
    "rate_every": ("{length}마다 1행", "a row every {length}"),
    "values_rate": ("초당 값 {rate}개", "{rate} values a second"),
    "values_every": ("{length}마다 값 1개", "a value every {length}"),
    "good_up": ("{target} (높을수록 좋음)", "{target} (higher is better)"),
    "good_down": ("{target} (낮을수록 좋음)", "{target} (lower is better)"),
    "no_target": ("정하지 않음", "none"),
    "yes": ("예", "yes"),
    "no": ("아니요", "no"),
    "gateway_unknown": ("알 수 없음", "not known"),
    # method
    "method_rows": (
        "수집률은 실제 값의 수를 하루 동안 기대한 수(86,400초 × 기대 빈도)로 나눈 것입니다.",
        "Coverage is the number of values over the number expected in a day (86,400 s × expected rate).",
    ),
    "method_percentile": (
        "5%, 중앙값, 95%는 정렬한 값 사이를 직선으로 보간한 백분위수입니다. "
        "표준편차는 모집단 표준편차(값의 수로 나눔)입니다.",
        "Percentiles are linear between sorted values. The standard deviation is that of the population "
        "(divided by the number of values).",
    ),
    "method_share": (
        "목표 내 비율은 목표 범위(경계 포함)에 든 값의 비율이며, 그 변화는 퍼센트포인트입니다.",
        "On target is the share of values within the target range, bounds included; its change is in "
        "percentage points.",
    ),
    "method_gap": (
        "공백은 이웃한 두 행 사이, 또는 하루의 시작·끝과 행 사이가 {threshold}보다 긴 구간입니다.",
        "A gap is a stretch longer than {threshold} between two rows, or between a row and an end of the day.",
    ),
    "method_midnight": (
        "자정 직후 변경의 ‘이전’ 구간에는 전날 행도 쓰며, 자정 직전 변경의 ‘이후’ 구간은 자정에서 끝납니다. "
        "자정에서 잘린 구간은 기록된 효과와 비교하지 않습니다.",
        "Just after midnight the window before a change reaches into the day before; just before midnight the window "
        "after it ends at midnight. A window that is cut there is not held against what was recorded.",
    ),
    # the way to the archive
    "seal_explained": (
        "이 PDF는 그날의 아카이브에 들어가므로 아카이브의 매니페스트보다 먼저 만들어지고, 그래서 매니페스트의 "
        "다이제스트를 적을 수 없습니다. 매니페스트는 모든 보관처의 아래 경로에 있습니다. 거기에 적힌 내용 다이제스트는 "
        "아카이브 안 manifest-sha256.txt의 SHA-256이며, 그 목록에 {file}의 아래 SHA-256이 있습니다. "
        "같은 파일이 이 PDF에도 첨부되어 있습니다.",
        "This PDF is part of the day's archive: made before the archive's manifest, it cannot name the digest of that. "
        "The manifest is at every destination under the path below. The content digest in it is the SHA-256 of "
        "manifest-sha256.txt in the archive, which lists {file} with the SHA-256 below. The same file is attached "
        "to this PDF.",
    ),
    "seal_manifest": ("매니페스트, 첫째 판", "Manifest of revision 1"),
    "seal_revisions": ("매니페스트, 이후의 판 N", "Manifest of a later revision N"),
    "seal_digest": ("{file}의 SHA-256", "SHA-256 of {file}"),
    "seal_commands": ("확인과 복원", "To verify and to restore"),
    # numbers
    "seconds": ("{s}초", "{s} s"),
    "minutes": ("{m}분", "{m} min"),
    "hours": ("{h}시간", "{h} h"),
    "points": ("{value}%p", "{value} pp"),
    "between": ("{low}~{high}", "{low} to {high}"),
    # pages
    "page": ("{page} / ", "{page} / "),  # and how many there are
    "keywords": ("텔레메트리, 보고서, Lumen", "telemetry, report, Lumen"),
    "subject": ("{day} 하루 텔레메트리 보고서", "Daily telemetry report of {day}"),
}

WEEKDAYS: Final = (
    ("월", "Monday"),
    ("화", "Tuesday"),
    ("수", "Wednesday"),
    ("목", "Thursday"),
    ("금", "Friday"),
    ("토", "Saturday"),
    ("일", "Sunday"),
)
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_POSITION: Final[dict[Language, int]] = {"ko": 0, "en": 1}


class Wording:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._position = _POSITION[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of ``key`` with its fields filled in."""
        return TEXTS[key][self._position].format(**values)

    def get(self, key: str, otherwise: str) -> str:
        """The text of ``key`` if there is one: for words that come from inputs."""
        return TEXTS[key][self._position] if key in TEXTS else otherwise

    def weekday(self, number: int) -> str:
        """The name of a weekday; Monday is 0."""
        return WEEKDAYS[number][self._position]

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pypdf
import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.report import build_report, load_report, write_pdf, write_report
from lumen_assets.report.fonts import EMOJI, PLAIN, Typeface, typeface
from lumen_assets.report.provenance import Query, TelemetrySource
from lumen_assets_tests.report.scenes import (
    DAY,
    broken_day,
    configuration,
    empty_day,
    hostile_day,
    normal_day,
    notes_day,
    stormy_day,
)

FONTS = Path(find_spec("koreanize_matplotlib").submodule_search_locations[0]) / "fonts"


@pytest.fixture(scope="module")
def normal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("normal")
    report = build_report(*normal_day(rate_hz=1), configuration(rate_hz=1))
    write_report(report, folder)
    write_pdf(report, folder / "report.pdf")
    return folder / "report.pdf"


def pdf_of(path: Path, day, language="ko", previous=None) -> Path:
    write_pdf(build_report(day, previous, configuration(language, rate_hz=1)), path)
    return path


def pdftotext(path: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout


def test_korean_text_can_be_taken_out_again(normal):
    for text in (pdftotext(normal), "\n".join(page.extract_text() for page in pypdf.PdfReader(normal).pages)):
        for needed in (
            "한눈에 보기",
            "위상차",
            "창의 밴드가 하한에 가까워 이득을 올림",
            "고요 속에서 결이 맞아 간다.",
            "13:05:00",
        ):
            assert needed in text
        assert re.search(rf"1\s*/\s*{len(pypdf.PdfReader(normal).pages)}\b", text)


def test_bookmarks_title_language_and_the_days_end_by_no_clock(normal):
    reader = pypdf.PdfReader(normal)
    assert [item.title for item in reader.outline][:2] == ["먼저 볼 것", "한눈에 보기"]
    assert len(reader.outline) == 12
    assert reader.metadata.title == "Lumen Resonance Report 2025-10-23"
    assert "2025-10-23" in reader.metadata.subject
    assert {"텔레메트리", "2025-10-23", "위상차"} <= set(reader.metadata.keywords.split(", "))
    assert reader.metadata.creation_date_raw == reader.metadata.modification_date_raw == "D:20251024000000+09'00'"
    assert reader.metadata.creation_date == datetime.fromisoformat("2025-10-24T00:00:00+09:00")
    assert (reader.metadata.author, reader.metadata.creator) == ("Lumen Assets", "Lumen Assets")
    assert reader.metadata.producer == "ReportLab"
    assert reader.trailer["/Root"]["/Lang"] == "ko-KR"
    assert normal.stat().st_size < 1_000_000


def test_the_contents_lead_to_the_pages_they_name(normal):
    reader = pypdf.PdfReader(normal)
    first = reader.pages[0]
    lines = [line.strip() for line in first.extract_text().splitlines() if line.strip()]
    titles = [item.title for item in reader.outline]
    start = lines.index("차례") + 1
    entries = dict(zip(lines[start : start + 24 : 2], map(int, lines[start + 1 : start + 25 : 2]), strict=True))
    assert list(entries) == titles
    assert sorted(entries.values()) == list(entries.values())
    for title, number in entries.items():
        assert title in reader.pages[number - 1].extract_text()
    places = {item.title: reader.get_destination_page_number(item) + 1 for item in reader.outline}
    assert places == entries
    links = [a.get_object() for a in first["/Annots"] if a.get_object().get("/Border") == [0, 0, 0]]
    assert [reader.get_page_number(a["/Dest"][0].get_object()) + 1 for a in links[:12]] == list(entries.values())


def test_the_numbers_are_attached_and_named_on_the_last_page(normal):
    reader = pypdf.PdfReader(normal)
    numbers = normal.with_name("report_2025-10-23.json").read_bytes()
    assert reader.attachments == {"report_2025-10-23.json": [numbers]}
    last = reader.pages[-1].extract_text()
    assert hashlib.sha256(numbers).hexdigest() in last
    assert "2025-10-23/snapshot.manifest.json" in last


def test_a_camera_reads_the_code_on_the_last_page(normal, tmp_path):
    pages = str(len(pypdf.PdfReader(normal).pages))
    command = ["pdftoppm", "-r", "150", "-f", pages, "-l", pages, "-gray", "-png", "-singlefile"]
    subprocess.run([*command, normal, tmp_path / "last"], check=True)
    read = ["zbarimg", "--quiet", "--nodbus", "--raw", tmp_path / "last.png"]
    found = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(normal.with_name("report_2025-10-23.json").read_bytes()).hexdigest()
    assert found.strip() == f"2025-10-23/snapshot.manifest.json\nsha256:{digest}"


def test_streams_are_compressed_quickly(normal):
    levels = set(re.findall(rb"stream\r?\n(\x78.)", normal.read_bytes(), re.DOTALL))
    assert levels == {b"\x78\x5e"}  # RFC 1950: 0x5e is zlib's levels 2 to 5, 0x9c is 6


def test_fonts_are_embedded_subsets(normal):
    fonts = subprocess.run(["pdffonts", normal], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert fonts
    for line in fonts:
        assert "NanumGothic" in line or "NotoEmoji" in line
        assert line.split()[-5:-2] == ["yes", "yes", "yes"]


def no_boxes(path: Path) -> None:
    """Fail where a page draws code 0: what reportlab writes for a character that the font lacks."""
    for page in pypdf.PdfReader(path).pages:
        drawn = [
            operands[0].original_bytes for operands, operator in page.get_contents().operations if operator == b"Tj"
        ]
        assert drawn
        assert not any(b"\0" in text for text in drawn)


def test_no_character_becomes_a_box(normal, tmp_path):
    no_boxes(normal)
    path = pdf_of(tmp_path / "hostile.pdf", hostile_day())
    no_boxes(path)
    face = typeface()
    text = pdftotext(path)
    assert "👩🚀 [U+9F98]" in text
    assert all(ord(c) in face.characters or face.pieces(c)[0][1] for c in text if c not in "\n\f\t")


def test_boxes_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Typeface, "showable", lambda self, text: text)
    path = pdf_of(tmp_path / "boxes.pdf", hostile_day())
    with pytest.raises(AssertionError):
        no_boxes(path)


def test_what_the_font_lacks_is_named():
    face = typeface()
    assert face.showable("가 😀 龘 −1 a\ufe0f\u200d ﬁ") == "가 [U+1F600] [U+9F98] -1 a fi"
    assert ord("한") in face.characters


def test_emoji_are_pieces_of_their_own():
    face = typeface()
    assert face.pieces("가 😀👩\u200d🚀 龘 1\ufe0f") == [
        ("가 ", ""),
        ("😀👩", EMOJI),
        ("", ""),
        ("🚀", EMOJI),
        (" [U+9F98] 1", ""),
    ]
    assert face.pieces("가 1") == [("가 1", "")]
    assert face.pieces("") == [("", "")]


def test_a_backslash_is_no_won_sign(tmp_path):
    """NanumGothic draws it as one, so it is of another font; what is copied is a backslash."""
    assert typeface().pieces(r"C:\logs") == [("C:", ""), ("\\", PLAIN), ("logs", "")]
    query = r'sum(up{job=~"api\\..*"})'
    source = TelemetrySource(
        "", "logs/metrics.csv", "ts", "iso", "", server="http://prometheus", step="1s", queries=(Query("up", query),)
    )
    report = replace(build_report(empty_day(), None, configuration("en")), sources=(source,))
    write_pdf(report, tmp_path / "backslash.pdf")
    assert query in pdftotext(tmp_path / "backslash.pdf").replace("\n", "")
    fonts = subprocess.run(["pdffonts", tmp_path / "backslash.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\+BitstreamVera\S* +TrueType +\S+ +yes yes yes", fonts)
    of_their_own = typeface(FONTS / "NanumGothicLight.ttf")
    assert of_their_own.pieces(r"C:\logs") == [(r"C:\logs", "")]


def test_new_emoji_and_flags_are_emoji():
    face = typeface()
    assert ("🩷", EMOJI) in face.pieces("a🩷")
    scotland = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    assert "".join(piece for piece, _ in face.pieces(scotland)) == "🏴"


def test_emoji_are_copied_as_what_they_are_by_other_readers(tmp_path):
    path = pdf_of(tmp_path / "notes.pdf", notes_day())
    wanted = {"🌊", "🙏", "🚀", "🌙"}
    assert wanted <= set(pdftotext(path))
    assert wanted <= {c for page in pypdf.PdfReader(path).pages for c in page.extract_text()}
    fonts = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\+NotoEmoji\S* +TrueType +\S+ +yes yes yes", fonts), "embedded, a subset, with its table"


def test_hostile_markup_is_text(tmp_path):
    text = pdftotext(pdf_of(tmp_path / "hostile.pdf", hostile_day()))
    assert "<script>" in text.replace("\n", "").replace(" ", "")


def test_an_english_day(tmp_path):
    today, previous = normal_day(rate_hz=1)
    text = pdftotext(pdf_of(tmp_path / "en.pdf", today, "en", previous))
    for needed in ("At a glance", "phase difference", "Thursday, 23 October 2025"):
        assert needed in text


@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_empty_day(tmp_path, language):
    text = pdftotext(pdf_of(tmp_path / "empty.pdf", empty_day(), language))
    assert "SAMPLE DATA" in text


def test_a_broken_day(tmp_path):
    assert "431,998" in pdftotext(pdf_of(tmp_path / "broken.pdf", broken_day()))


def test_a_stormy_day_lays_out_and_repeats_its_headers(tmp_path):
    text = pdftotext(pdf_of(tmp_path / "storm.pdf", stormy_day(200)))
    pages = text.split("\f")
    with_rules = [page for page in pages if "rule_3_with" in page.replace("\n", "")]
    assert len(with_rules) > 3
    assert all("이전 → 이후" in page for page in with_rules)
    assert text.count("가나다라") >= 2 * 250


SCRIPT = """
import sys
from pathlib import Path
from datetime import date
from lumen_assets.report import load_report, write_pdf
folder = Path(sys.argv[1])
write_pdf(load_report(folder, date(2025, 10, 23)), Path(sys.argv[2]))
"""


def test_the_same_bytes_in_every_process(normal, tmp_path):
    digests = {hashlib.sha256(normal.read_bytes()).hexdigest()}
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.pdf"
        environ = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Seoul" if seed == "1" else "America/New_York"}
        environ |= {"SOURCE_DATE_EPOCH": "1700000000"} if seed == "1" else {}
        subprocess.run([sys.executable, "-c", SCRIPT, normal.parent, path], check=True, env=environ)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    write_pdf(load_report(normal.parent, DAY), tmp_path / "again.pdf")
    digests.add(hashlib.sha256((tmp_path / "again.pdf").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_font_of_ones_own(tmp_path):
    write_pdf(build_report(empty_day(), None, configuration()), tmp_path / "light.pdf", FONTS / "NanumGothicLight.ttf")
    assert "한눈에 보기" in pdftotext(tmp_path / "light.pdf")


def test_a_font_that_cannot_be_used_is_a_configuration_error(tmp_path):
    report = build_report(empty_day(), None, configuration())
    text = tmp_path / "text.ttf"
    text.write_text("no font")
    latin = Path(sys.modules["reportlab"].__path__[0]) / "fonts" / "Vera.ttf"
    for font, cause in ((tmp_path / "none.ttf", "no such file"), (text, "not a TrueType"), (latin, "no Korean")):
        with pytest.raises(PermanentError, match=cause) as caught:
            write_pdf(report, tmp_path / "x.pdf", font)
        assert caught.value.error_class == "configuration"
    assert not (tmp_path / "x.pdf").exists()

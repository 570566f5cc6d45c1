"""The fuzzer: Atheris, guided by what it covers of ``lumen_assets.archive``.

``python -m lumen_assets_tests.archive.fuzz CORPUS… [-max_total_time=SECONDS]`` takes libFuzzer's arguments
(https://llvm.org/docs/LibFuzzer.html#options); what it finds new goes into the first folder.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["lumen_assets.archive"]):
    from lumen_assets_tests.archive.fuzzing import one_input

if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

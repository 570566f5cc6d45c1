"""``python -m lumen_assets.cli`` is ``lumen``."""

from lumen_assets.cli import main

main(prog_name="lumen")

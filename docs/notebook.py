"""Run docs/from-model-to-gate.ipynb and store what it prints, without pictures and run times."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PATH = Path(__file__).parent / "from-model-to-gate.ipynb"
LONGEST = 300
"""Most seconds of a cell."""


def executed(folder: str | Path) -> nbformat.NotebookNode:
    """The notebook as it comes out of a run in `folder`; an error in a cell is raised."""
    book = nbformat.read(PATH, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        book, timeout=LONGEST, kernel_name="python3", resources=where, record_timing=False
    ).execute()
    return book


def kept(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with plain text alone: no progress, standard error, HTML, colours or addresses."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_kept(output)]
            for output in cell.outputs:
                if "data" in output:
                    output.data = {"text/plain": plain(output.data["text/plain"])}
                else:
                    output.text = plain(output.text)
    return book


def _is_kept(output: nbformat.NotebookNode) -> bool:
    return output.output_type != "display_data" and output.get("name") != "stderr"


def plain(text: str) -> str:
    """What was printed, without what changes from run to run or needs a terminal."""
    bare = re.sub(r" at 0x[0-9a-f]+", "", re.sub(r"\x1b\[[0-9;]*m", "", text))
    return "\n".join(line.rstrip() for line in bare.splitlines()) + "\n"


def main() -> int:
    """Write the notebook anew."""
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(kept(executed(folder)), PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())

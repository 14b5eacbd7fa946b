"""What docs/callbacks.md shows works as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "callbacks.md"


def test_the_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(code, PAGE.name, "exec"), {})
    assert capsys.readouterr().out == "(4, 8, 8, 1)\n"

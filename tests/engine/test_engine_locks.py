import subprocess
import sys
from pathlib import Path

from saliency_bench.engine.locks import Claims

KEYS = "0" * 32, "f" * 32

HOLDER = """
import sys
from pathlib import Path
from saliency_bench.engine.locks import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take(sys.argv[2]), flush=True)
    sys.stdin.read()
"""


def holder(folder: Path, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), key]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def asked(folder: Path, key: str) -> bool:
    with Claims(folder) as claims:
        return claims.take(key)


def test_a_claim_belongs_to_one_process_until_it_ends_or_dies(tmp_path):
    for end in ("communicate", "kill"):
        with holder(tmp_path, KEYS[0]) as other:
            assert other.stdout.readline() == "True\n"
            assert not asked(tmp_path, KEYS[0])
            assert asked(tmp_path, KEYS[1])
            getattr(other, end)()
            other.wait()
        assert asked(tmp_path, KEYS[0])


def test_a_claim_is_given_back_when_it_is_left(tmp_path):
    with Claims(tmp_path) as claims:
        assert claims.take(KEYS[0])
        claims.give_back(KEYS[0])
        with holder(tmp_path, KEYS[0]) as other:
            assert other.stdout.readline() == "True\n"
            other.communicate()


def test_where_files_cannot_be_locked_every_claim_is_granted():
    class Elsewhere:
        """No local path."""

    with Claims(Elsewhere()) as claims:
        assert claims.take(KEYS[0])
        claims.give_back(KEYS[0])

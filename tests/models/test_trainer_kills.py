"""A process that is killed while it keeps a network."""

import signal
import subprocess
import sys

from saliency_bench.models import CNN, Trainer, Training
from saliency_bench.protocols import NetworkName
from saliency_bench.storage.store import PARTIAL

TINY = CNN(
    filters=(4,), kernel=3, units=8, training=Training(epochs=1, batch_size=8, stop_accuracy=None)
)

KILLED = """
import os, signal, sys
from pathlib import Path
from saliency_bench.storage.store import atomic
with atomic(Path(sys.argv[1])) as file:
    file.write(b"half a network")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_half_a_network_is_removed_and_trained_again(stripes, tmp_path):
    file = Trainer(TINY, stripes, seed=0, cache=tmp_path)(NetworkName()).file
    whole = file.read_bytes()
    file.unlink()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not file.exists()
    assert len(list(tmp_path.glob(f"{PARTIAL}-*"))) == 1
    again = Trainer(TINY, stripes, seed=0, cache=tmp_path)(NetworkName()).file
    assert again == file
    assert file.read_bytes() == whole
    assert not list(tmp_path.glob(f"{PARTIAL}*"))

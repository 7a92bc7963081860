"""The second part of ``make demo``."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def demo(**environment):
    return subprocess.run(
        [sys.executable, "examples/demo_s3.py"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_the_demo_reduces_here_and_beside_the_store(services):
    done = demo()
    assert done.returncode == 0, done.stderr
    assert "s3numpy gives the same bits as the local file: True" in done.stdout
    assert "answered by   reductionist (240 chunks)" in done.stdout
    assert services.s3.secret not in done.stdout + done.stderr


def test_without_servers_the_demo_says_how_to_start_them(tmp_path):
    done = demo(SERVICES_STATE=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.strip().count("\n") == 0
    assert "make services" in done.stdout

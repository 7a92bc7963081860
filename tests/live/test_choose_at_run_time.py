"""The same program on a real S3 server and a real Reductionist, by configuration."""

import os
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["s3", "reductionist"])
def test_the_configuration_chooses_who_answers(name, services, bucket, tmp_path):
    values = np.random.default_rng(5).normal(280, 9, (8, 30, 40)).astype("f4")
    with netCDF4.Dataset(tmp_path / "tas.nc", "w") as ds:
        for dim, size in zip("tyx", values.shape, strict=True):
            ds.createDimension(dim, size)
        tas = ds.createVariable(
            "tas", "f4", tuple("tyx"), zlib=True, chunksizes=(2, 30, 40)
        )
        tas[:] = values
    url = bucket.upload(tmp_path / "tas.nc")
    text = (EXAMPLES / "choose_at_run_time" / f"{name}.toml").read_text()
    text = text.replace("https://s3.example.org", services.s3.endpoint_url)
    text = text.replace("https://reductionist.example.org", services.reductionist.url)
    (tmp_path / "config.toml").write_text(text)
    secrets = {
        f"ACTIVECORE_BACKENDS__{backend}__{key.upper()}": getattr(services.s3, key)
        for backend in ("S3NUMPY", "REDUCTIONIST")
        for key in ("key", "secret")
        if backend == "S3NUMPY" or name == "reductionist"
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "choose_at_run_time.py"), url, "tas"],
        env={
            "PATH": os.environ["PATH"],
            "XDG_CONFIG_HOME": str(tmp_path),
            "ACTIVECORE_CONFIG": str(tmp_path / "config.toml"),
            **secrets,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mean = float(done.stdout.partition("mean of tas: ")[2].split()[0])
    assert mean == pytest.approx(values.astype("f8").mean(), rel=1e-6)
    who = {"s3": "s3numpy (4 chunks)", "reductionist": "reductionist (4 chunks)"}
    assert who[name] in done.stdout
    assert services.s3.secret not in done.stdout + done.stderr

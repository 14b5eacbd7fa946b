"""A run folder behind the S3 protocol, spoken by a real client with a server on this machine."""

import logging
import os

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.launchers,
    pytest.mark.filterwarnings("ignore"),  # what other libraries warn of is theirs
]

RUN = ("explainer=[gradient,magnitude]", "run_dir=s3://bucket/study")


@pytest.fixture
def store():
    """The environment of who may write to a bucket named `bucket`."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    address, region = f"http://{host}:{port}", "us-east-1"
    client = boto3.client("s3", endpoint_url=address, region_name=region, **keys)
    client.create_bucket(Bucket="bucket")
    named = {name.upper(): value for name, value in keys.items()}
    yield client, {**named, "AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": region}
    server.stop()


def test_two_processes_on_one_address_find_what_a_local_run_finds(bench, store):
    client, access = store
    before = sorted(os.listdir(bench.folder))
    at_once = [bench.start(*RUN, **access) for _ in range(2)]
    said = [started.communicate(timeout=300) for started in at_once]
    assert [started.returncode for started in at_once] == [0, 0], said
    assert sorted(os.listdir(bench.folder)) == before

    there = client.get_object(Bucket="bucket", Key="study/scores.parquet")["Body"].read()
    assert bench.run(RUN[0], "run_dir=local") == (0, [])
    assert (bench.folder / "local" / "scores.parquet").read_bytes() == there
    names = {found["Key"] for found in client.list_objects_v2(Bucket="bucket")["Contents"]}
    local = {
        f"study/{path.relative_to(bench.folder / 'local')}"
        for path in (bench.folder / "local").rglob("*")
        if path.is_file() and path.name != "lock"
    }
    assert names == local


def test_a_finished_run_behind_an_address_is_recognised(bench, store):
    _, access = store
    assert bench.run(*RUN, **access) == (0, [])
    (bench.folder / "images.npz").touch()
    again = bench.start(*RUN, **access, PYTHONPROFILEIMPORTTIME="1")
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0
    assert "report: s3://bucket/study/report.html" in out
    assert "tensorflow" not in err

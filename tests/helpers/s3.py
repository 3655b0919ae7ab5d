"""An S3 server on loopback (moto), with a bucket for each test; skips where the packages are missing."""

import contextlib
import dataclasses
import logging
import os

import pytest


@dataclasses.dataclass
class Bucket:
    """A new bucket.

    Args:
        client: boto3's.
        name: of the bucket.
    """

    client: object
    name: str

    @property
    def url(self):
        return f"s3://{self.name}"

    def put(self, key, content):
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def add(self, key, content):
        """As `put`, for many objects and keys that boto3 refuses: past the server."""
        from moto.s3.models import s3_backends

        s3_backends["123456789012"]["aws"].put_object(self.name, key, content)

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix=""):
        """The keys, without journals."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return sorted(key for key in found if "/.wdsr-tf/" not in f"/{key}")

    def journals(self, prefix=""):
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=f"{prefix}.wdsr-tf/").get("Contents", ())
        return [each["Key"] for each in found]


@contextlib.contextmanager
def serving():
    """Yields (URL, boto3 client) of a running server, which the environment names meanwhile."""
    pytest.importorskip("s3fs", reason="needs the cloud extra")
    boto3 = pytest.importorskip("boto3", reason="needs moto, of the dev extra")
    moto = pytest.importorskip("moto.server", reason="needs moto, of the dev extra")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
                patch.delenv(name)
            patch.setenv("AWS_ENDPOINT_URL", url)
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("no_proxy", "127.0.0.1")
            yield url, boto3.client("s3")
    finally:
        server.stop()

"""Files of plain web servers: ranges, versions, redirects, and what is refused."""

import functools
import http.server
import io
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import h5netcdf
import numpy as np
import pytest

import activecore as ac
from services.proxy import Proxy, Reply


@dataclass
class Site:
    """What a web server serves, and how it behaves."""

    files: dict = field(default_factory=dict)
    etag: str | None = '"v1"'
    modified: str | None = "Tue, 21 Oct 2025 07:28:00 GMT"
    honours_ranges: bool = True
    redirects: dict = field(default_factory=dict)
    pages: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    url: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site, *args):
        self.site = site
        super().__init__(*args)

    def do_GET(self):
        site = self.site
        site.requests.append((self.command, self.path, dict(self.headers)))
        if self.path in site.redirects:
            return self.answer(302, b"", {"Location": site.redirects[self.path]})
        if self.path in site.pages:
            page = site.pages[self.path]
            return self.answer(200, page, {"Content-Type": "text/html"})
        if self.path not in site.files:
            return self.answer(404, b"<html>not here</html>", {})
        if self.headers.get("If-Match", site.etag) != site.etag:
            return self.answer(412, b"", {})
        content, status, headers = site.files[self.path], 200, {}
        if site.etag is not None:
            headers["ETag"] = site.etag
        if site.modified is not None:
            headers["Last-Modified"] = site.modified
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and site.honours_ranges:
            start = int(wanted[1])
            stop = min(int(wanted[2]) + 1, len(content)) if wanted[2] else len(content)
            if start >= len(content):
                return self.answer(416, b"", {})
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            content, status = content[start:stop], 206
        return self.answer(status, content, headers)

    do_HEAD = do_GET  # noqa: N815 - the name that the library looks for

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(site):
    handler = functools.partial(Handler, site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site():
    with serving(Site()) as site:
        yield site


@pytest.fixture(scope="module")
def elements():
    return np.random.default_rng(7).normal(280, 10, (40, 50, 60)).astype("f4")


@pytest.fixture
def netcdf(site, elements):
    """A netCDF4 file of 400 kB on the site, not compressed."""
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        file.dimensions = {"time": 40, "lat": 50, "lon": 60}
        tas = file.create_variable(
            "tas", ("time", "lat", "lon"), "f4", chunks=(4, 50, 60)
        )
        tas[...] = elements
    site.files["/a b/tas.nc"] = content.getvalue()
    return f"{site.url}/a%20b/tas.nc"


@pytest.fixture(autouse=True)
def credentials_that_nobody_here_gets(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNOTFORYOU")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-you")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not-for-you-either")


@pytest.fixture
def escaped(site):
    """The handler compares paths as they stand in the request."""
    site.files = {
        path.replace(" ", "%20"): content for path, content in site.files.items()
    }


def test_a_file_of_a_web_server_is_reduced_by_its_url_alone(
    site, netcdf, escaped, elements
):
    tas = ac.open(netcdf, "tas")
    site.requests.clear()
    np.testing.assert_allclose(
        tas[4:8].mean(axis="time"), elements[4:8].astype("f8").mean(axis=0), rtol=1e-12
    )
    gets = [headers for method, _, headers in site.requests if method == "GET"]
    assert len(gets) == 1
    assert gets[0]["if-match"] == '"v1"'


def test_no_s3_credentials_go_to_a_web_server(site, netcdf, escaped):
    ac.open(netcdf, "tas").max()
    for _, _, headers in site.requests:
        assert not {"authorization", "x-amz-security-token", "x-amz-date"} & {
            name.lower() for name in headers
        }
        assert "not-for-you" not in str(headers)


@pytest.mark.parametrize("etag", [None, 'W/"v1"', "unquoted"])
def test_without_a_strong_etag_the_time_and_size_are_the_version(
    site, netcdf, escaped, elements, etag
):
    site.etag = etag
    tas = ac.open(netcdf, "tas")
    site.requests.clear()
    assert tas.max() == elements.max()
    assert all("if-match" not in headers for _, _, headers in site.requests)
    site.modified = "Tue, 21 Oct 2025 07:28:01 GMT"
    with pytest.raises(ac.SourceChanged):
        tas.max()


def test_a_strong_etag_that_changes_is_source_changed(site, netcdf, escaped):
    tas = ac.open(netcdf, "tas")
    site.etag = '"v2"'
    with pytest.raises(ac.SourceChanged, match="was changed after it was opened"):
        tas.max()


def test_a_server_that_ignores_ranges_is_refused_by_name(site, netcdf, escaped):
    site.honours_ranges = False
    with pytest.raises(ac.BackendRefused, match="ignores byte ranges") as caught:
        ac.open(netcdf, "tas")
    assert netcdf in str(caught.value)


def test_a_file_that_is_not_there(site):
    url = f"{site.url}/nope.nc"
    with pytest.raises(ac.SourceNotFound, match=re.escape(url)):
        ac.open(url)


def test_a_redirect_is_followed_for_there_is_nothing_to_lose(site, netcdf, escaped):
    with serving(Site(redirects={"/here.nc": netcdf})) as other:
        assert ac.open(f"{other.url}/here.nc", "tas").shape == (40, 50, 60)


def test_a_url_with_a_query_is_refused(site):
    with pytest.raises(ac.ConfigError, match="query"):
        ac.open(f"{site.url}/tas.nc?token=1")


def zarr_files(prefix):
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4],
        "data_type": "int32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 7,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    return {
        f"{prefix}/zarr.json": json.dumps(document).encode(),
        f"{prefix}/c/0": np.array([1, 2], "<i4").tobytes(),
    }


def test_a_zarr_store_of_a_web_server_needs_no_listing(site):
    site.files.update(zarr_files("/x.zarr"))
    (array,) = ac.open(f"{site.url}/x.zarr").values()
    assert array.sum() == 1 + 2 + 7 + 7


def test_whole_objects_of_a_zarr_store_need_no_ranges(site):
    site.files.update(zarr_files("/x.zarr"))
    with_ranges = ac.open(f"{site.url}/x.zarr")
    site.honours_ranges = False
    (array,) = ac.open(f"{site.url}/x.zarr").values()
    (same,) = with_ranges.values()
    assert array.max() == same.max()


def test_a_failure_is_no_sign_that_there_is_no_zarr_store(site):
    site.files.update(zarr_files("/x.zarr"))
    with Proxy(site.url) as proxy:
        proxy.fail(Reply(500), path=r"/(\.z|zarr\.json)")
        with pytest.raises(ac.BackendUnavailable, match="HTTP 500"):
            ac.open(f"{proxy.url}/x.zarr", storage_options={"retries": 0})


def test_a_page_where_a_zarr_store_lies_is_no_file(site):
    site.files.update(zarr_files("/x.zarr"))
    site.redirects["/x.zarr"] = "/x.zarr/"
    site.pages["/x.zarr/"] = b"<html>Index of x.zarr</html>"
    (array,) = ac.open(f"{site.url}/x.zarr").values()
    assert array.sum() == 1 + 2 + 7 + 7


def test_a_page_is_no_dataset(site):
    site.pages["/index.html"] = b"<html>hello</html>" * 10
    with pytest.raises((ac.UnsupportedFormat, ac.BackendRefused)):
        ac.open(f"{site.url}/index.html")


def test_an_empty_file_is_said_to_be_empty(site):
    site.files["/empty.nc"] = b""
    with pytest.raises(ac.UnsupportedFormat, match="is empty"):
        ac.open(f"{site.url}/empty.nc")

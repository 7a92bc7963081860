"""The proxy of services/, in front of a server of the standard library."""

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.proxy import (
    Alter,
    Delay,
    Drop,
    Exchange,
    Garble,
    Hang,
    Link,
    Proxy,
    Raw,
    Reply,
    Reset,
    Shorten,
    Traffic,
    Truncate,
    slow_down,
    too_many_requests,
)

CONTENT = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.heard.append(dict(self.headers))
        if self.path == "/silent":
            self.close_connection = True
            return
        if self.path == "/slow":
            time.sleep(0.2)
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one", b"two" * 50_000, b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            return
        if self.path == "/open-ended":
            self.end_headers()
            self.wfile.write(CONTENT)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(CONTENT)

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

    def do_PUT(self):
        self.server.heard.append(dict(self.headers))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored.append(body)
        self.send_response(204)
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, address):
        """Clients that are cut off are what these tests are about."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.heard, server.stored = [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with Proxy(server.url) as proxy:
        yield proxy


def connect(proxy, timeout=5):
    return http.client.HTTPConnection(proxy.url.removeprefix("http://"), None, timeout)


def get(proxy, path="/", headers=None, method="GET"):
    """Ask over a connection of its own: status, headers, body."""
    connection = connect(proxy)
    try:
        connection.request(method, path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


# -- what passes -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/open-ended"])
def test_a_reply_passes_as_it_is(proxy, path):
    assert get(proxy, path)[::2] == (200, CONTENT)


def test_a_reply_in_chunks_passes(proxy):
    assert get(proxy, "/chunked")[2] == b"one" + b"two" * 50_000


def test_a_head_has_no_body_and_keeps_its_length(proxy):
    status, headers, body = get(proxy, method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


def test_headers_pass_with_the_host_that_the_client_signed(proxy, server):
    get(proxy, headers={"X-Amz-Date": "now", "Range": "bytes=0-1"})
    (heard,) = server.heard
    assert heard["Host"] == proxy.url.removeprefix("http://")
    assert (heard["X-Amz-Date"], heard["Range"]) == ("now", "bytes=0-1")


def test_what_is_sent_passes_with_a_length_and_in_chunks(proxy, server):
    connection = connect(proxy)
    connection.request("PUT", "/a", body=CONTENT)
    assert connection.getresponse().read() == b""
    connection.request("PUT", "/b", body=iter([b"one", b"two"]), encode_chunked=True)
    assert connection.getresponse().status == 204
    connection.close()
    assert server.stored == [CONTENT, b"onetwo"]
    assert proxy.traffic.connections == 1


def test_who_waits_for_leave_to_send_gets_it(proxy, server):
    with socket.create_connection(proxy.url[7:].split(":"), timeout=5) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n")
        client.sendall(b"Expect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert client.recv(1000).startswith(b"HTTP/1.1 204 ")
    assert server.stored == [b"abc"]


def test_a_server_that_drops_the_connection_is_seen_to(proxy):
    with pytest.raises(http.client.RemoteDisconnected):
        get(proxy, "/silent")


def test_a_server_that_is_gone_is_a_connection_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with Proxy(f"http://127.0.0.1:{port}") as proxy, pytest.raises(ConnectionError):
        get(proxy)


def test_only_http_servers_have_a_proxy():
    with pytest.raises(ValueError, match="ftp://"):
        Proxy("ftp://127.0.0.1:1")


# -- what is counted -------------------------------------------------------------------


def test_requests_bytes_and_connections_are_counted(proxy):
    connection = connect(proxy)
    for start in (0, 100):
        wanted = {"Range": f"bytes={start}-{start + 9}"}
        connection.request("GET", "/x?y=1", headers=wanted)
        connection.getresponse().read()
    connection.close()
    get(proxy, "/z", method="HEAD")
    traffic = proxy.traffic
    assert [str(one) for one in traffic] == [
        "GET /x?y=1 [bytes=0-9] 200",
        "GET /x?y=1 [bytes=100-109] 200",
        "HEAD /z 200",
    ]
    assert (traffic.requests, traffic.connections) == (3, 2)
    assert 2 * len(CONTENT) < traffic.down < 2 * len(CONTENT) + 1000
    assert 100 < traffic.up < 1000
    proxy.forget()
    assert proxy.traffic.requests == 0


def test_requests_at_one_time_are_one_round_and_those_in_turn_are_several(proxy):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: get(proxy, "/slow"), range(4)))
    assert (proxy.traffic.requests, proxy.traffic.rounds) == (4, 1)
    proxy.forget()
    for _ in range(3):
        get(proxy)
    assert (proxy.traffic.rounds, proxy.traffic.longest_chain) == (3, 3)


def exchange(begin, end):
    return Exchange("GET", "/", None, 1, begin=begin, end=end)


@pytest.mark.parametrize(
    ("spans", "rounds", "chain"),
    [
        ([], 0, 0),
        ([(0, 1)], 1, 1),
        ([(0, 1), (1, 2)], 2, 2),
        ([(0, 2), (1, 3), (2, 4)], 1, 2),
        ([(0, 10), (1, 2), (3, 4), (5, 6)], 1, 3),
        ([(5, 6), (0, 1), (0, 2)], 2, 2),
        ([(0, None), (1, 2)], 1, 1),
    ],
)
def test_rounds_are_groups_that_overlap(spans, rounds, chain):
    traffic = Traffic([exchange(*span) for span in spans])
    assert (traffic.rounds, traffic.longest_chain) == (rounds, chain)


# -- a link ----------------------------------------------------------------------------


def test_a_round_trip_is_paid_for_each_connection_and_each_request(server):
    with Proxy(server.url, Link(round_trip=0.3)) as proxy:
        connection = connect(proxy)
        for least in (2 * 0.3, 0.3):
            begin = time.monotonic()
            connection.request("HEAD", "/")
            connection.getresponse().read()
            assert time.monotonic() - begin >= least
        connection.close()


def test_bandwidth_is_shared_by_all_connections(server):
    with Proxy(server.url, Link(bandwidth=8 * 5 * len(CONTENT))) as proxy:
        begin = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            bodies = list(pool.map(lambda _: get(proxy)[2], range(3)))
        assert time.monotonic() - begin >= 3 / 5
    assert bodies == [CONTENT] * 3


# -- faults ----------------------------------------------------------------------------


def test_a_connection_is_dropped_without_an_answer(proxy, server):
    proxy.fail(Drop())
    with pytest.raises(http.client.RemoteDisconnected):
        get(proxy)
    assert server.heard == []
    assert [str(one) for one in proxy.traffic] == ["GET / - Drop"]


def test_a_connection_is_reset(proxy):
    proxy.fail(Reset())
    with pytest.raises(ConnectionResetError):
        get(proxy)


def test_a_body_is_cut_after_so_many_bytes(proxy):
    proxy.fail(Truncate(70_000))
    with pytest.raises(http.client.IncompleteRead) as error:
        get(proxy)
    assert error.value.partial == CONTENT[:70_000]


def test_a_connection_closes_after_the_head(proxy):
    proxy.fail(Truncate())
    with pytest.raises(http.client.IncompleteRead) as error:
        get(proxy)
    assert error.value.partial == b""


def test_a_connection_is_reset_in_the_middle_of_a_body(proxy):
    proxy.fail(Truncate(1000, reset=True))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)) as error:
        get(proxy)
    assert error.type is ConnectionResetError


def test_a_short_body_in_a_well_formed_reply(proxy):
    proxy.fail(Shorten(70_000), times=1)
    connection = connect(proxy)
    for expected in (CONTENT[:70_000], CONTENT):  # the connection lives on
        connection.request("GET", "/")
        assert connection.getresponse().read() == expected
    connection.close()
    assert proxy.traffic.connections == 1


def test_a_body_of_rubbish(proxy):
    proxy.fail(Garble())
    body = get(proxy)[2]
    assert len(body) == len(CONTENT)
    assert body[:1000] != CONTENT[:1000]


def test_another_status_and_other_headers(proxy):
    proxy.fail(Alter(206, (("Content-Type", "text/html"), ("ETag", '"x"'))))
    status, headers, body = get(proxy)
    assert (status, body) == (206, CONTENT)
    assert headers.get_all("Content-Type") == ["text/html"]
    assert headers["ETag"] == '"x"'


@pytest.mark.parametrize(
    ("fault", "status", "text", "wait"),
    [
        (slow_down("7"), 503, b"SlowDown", "7"),
        (too_many_requests("2"), 429, b"too many", "2"),
        (Reply(500), 500, b"", None),
        (Reply(200, b"<html>", "text/html"), 200, b"<html>", None),
    ],
)
def test_an_answer_instead_of_the_servers(proxy, server, fault, status, text, wait):
    proxy.fail(fault)
    told, headers, body = get(proxy)
    assert (told, headers["Retry-After"]) == (status, wait)
    assert text in body
    assert headers["Content-Type"] == fault.content_type
    assert server.heard == []


def test_something_that_is_not_http(proxy):
    proxy.fail(Raw())
    with pytest.raises(http.client.BadStatusLine):
        get(proxy)


def test_an_answer_that_comes_late(proxy):
    proxy.fail(Delay(0.2))
    begin = time.monotonic()
    assert get(proxy)[0] == 200
    assert time.monotonic() - begin >= 0.2


def test_an_answer_that_never_comes_and_a_proxy_that_ends_all_the_same(server):
    with Proxy(server.url) as proxy:
        proxy.fail(Hang())
        connection = connect(proxy, timeout=0.2)
        connection.request("GET", "/")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    connection.close()
    assert "proxy" not in [thread.name for thread in threading.enumerate()]


def test_a_fault_may_befall_a_request_with_a_body(proxy, server):
    proxy.fail(slow_down(), times=1)
    large = CONTENT * 100  # more than sockets hold
    for expected in (503, 204):
        connection = connect(proxy)
        connection.request("PUT", "/", body=large)
        assert connection.getresponse().status == expected
        connection.close()
    assert server.stored == [large]


# -- rules -----------------------------------------------------------------------------


def statuses(proxy, *asked, method="GET"):
    return [get(proxy, path, headers, method=method)[0] for path, headers in asked]


def test_a_rule_counts_the_requests_that_match(proxy):
    proxy.fail(Reply(500), path=r"\.nc$", first=2, times=2)
    asked = ["/a.nc", "/other", "/b.nc", "/a.nc", "/a.nc"]
    told = statuses(proxy, *((path, None) for path in asked))
    assert told == [200, 200, 500, 500, 200]


def test_a_rule_may_be_about_the_method_and_the_range(proxy):
    proxy.fail(Reply(500), method="HEAD")
    proxy.fail(Reply(503), ranged="bytes=8-")
    asked = [("/", None), ("/", {"Range": "bytes=0-7"}), ("/", {"Range": "bytes=8-9"})]
    assert statuses(proxy, *asked) == [200, 200, 503]
    assert statuses(proxy, asked[0], method="HEAD") == [500]


def test_a_rule_about_ranges_is_not_about_requests_without(proxy):
    proxy.fail(Reply(503), ranged="")
    assert statuses(proxy, ("/", None), ("/", {"Range": "bytes=0-7"})) == [200, 503]


def test_all_is_well_again_after_heal(proxy):
    proxy.fail(Reply(500))
    assert get(proxy)[0] == 500
    proxy.heal()
    assert get(proxy)[0] == 200

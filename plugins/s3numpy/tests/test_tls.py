"""TLS: the server's certificate is checked, against a bundle of the user's too."""

import datetime as dt
import http.server
import ipaddress
import logging
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import activecore as ac
from activecore_s3numpy import S3NumpyBackend, S3NumpyOptions

BODY = bytes(range(100))


def make_certificate(folder, *, host):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every range of every object; one in two is refused if told so."""

    protocol_version = "HTTP/1.1"
    refuse = False
    refused = 0

    def do_GET(self):
        cls = type(self)
        if cls.refuse and cls.refused == 0:
            cls.refused += 1
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        part = BODY[start : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{last}/{len(BODY)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture(params=["127.0.0.1"])
def server(request, tmp_path):
    pem, private = make_certificate(
        tmp_path, host=x509.IPAddress(ipaddress.ip_address(request.param))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    handler = type("OwnHandler", (Handler,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # clients that refuse it are the test
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    server.pem, server.handler = pem, handler
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def read(server):
    """Read through a backend with these options."""
    backends = []

    def read(scheme="s3", **options):
        url = f"https://127.0.0.1:{server.server_port}"
        given = {"endpoint_url": url, "key": "k", "secret": "s", "retries": 1}
        backend = S3NumpyBackend(S3NumpyOptions.make({**given, **options}))
        backends.append(backend)
        source = "s3://data/x" if scheme == "s3" else f"{url}/data/x"
        return bytes(backend.read_range(source, 10, 5))

    yield read
    for backend in backends:
        backend.close()


@pytest.mark.parametrize("scheme", ["s3", "https"])
def test_a_certificate_of_nobody_we_know_is_refused(read, scheme):
    with pytest.raises(ac.BackendError, match="not trusted.*set ca_bundle"):
        read(scheme)


@pytest.mark.parametrize("scheme", ["s3", "https"])
def test_with_its_bundle_it_is_trusted(read, server, scheme):
    assert read(scheme, ca_bundle=str(server.pem)) == BODY[10:15]


def test_the_bundle_may_be_aws_s(read, server, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(server.pem))
    assert read() == BODY[10:15]


def test_the_attempt_that_shows_headers_trusts_the_same(read, server):
    server.handler.refuse = True
    assert read(ca_bundle=str(server.pem)) == BODY[10:15]
    assert server.handler.refused == 1


def test_the_attempt_that_shows_headers_speaks_to_no_one_else(server, tmp_path):
    """Python's client checks the certificate as obstore does."""
    import asyncio

    from activecore_s3numpy import Address
    from activecore_s3numpy.replies import Ask

    url = f"https://127.0.0.1:{server.server_port}"
    options = S3NumpyOptions.make({"endpoint_url": url, "key": "k", "secret": "s"})
    backend = S3NumpyBackend(options)
    direct = backend.client._requests._direct
    with pytest.raises(Exception, match="not trusted"):
        asyncio.run(direct.read(Ask(Address.parse("s3://data/x"), 10, 15)))
    backend.close()


def test_it_is_not_checked_only_when_asked_and_that_is_logged(read, caplog):
    with caplog.at_level(logging.WARNING):
        assert read(verify=False) == BODY[10:15]
    assert "is not checked" in caplog.text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file"),
        (b"", "holds no certificates"),
        (b"rubbish", "holds no certificates"),
        (b"\xff\xfe\x00", "holds no certificates"),
        (
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "holds no certificates",
        ),
    ],
    ids=["absent", "empty", "rubbish", "bytes", "damaged"],
)
def test_a_bad_bundle_is_a_config_error_that_names_it(read, tmp_path, content, text):
    bundle = tmp_path / "bad.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(ac.ConfigError, match=f"ca_bundle {bundle}.*{text}"):
        read(ca_bundle=str(bundle))


def test_a_server_without_tls_at_an_https_endpoint(store):
    url = store.url.replace("http://", "https://")
    backend = S3NumpyBackend(store.options(endpoint_url=url, retries=0))
    with pytest.raises(ac.BackendError, match="does not speak TLS"):
        backend.read_range("s3://data/x", 0, 5)
    backend.close()

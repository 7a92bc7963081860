"""A Reductionist server in this process, made from its documentation and its limits.

It is independent of the plugin: it parses JSON, reads objects from a dictionary, decodes
with the standard library and reduces with NumPy, in the stored dtype, element after
element, as the real server does. What the real server refuses, it refuses; where the
real one panics, it closes the connection.
"""

import base64
import contextlib
import gzip
import io
import json
import math
import re
import socket
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import cbor2
import numpy as np
import requests
from requests.structures import CaseInsensitiveDict

OPERATIONS = ("count", "max", "min", "select", "sum")
DTYPES = ("int32", "int64", "uint32", "uint64", "float32", "float64")
OPTIONS = (
    "option_disable_chunk_cache",
    "option_shape_as_bytes",
    "option_count_as_bytes",
)
FIELDS = (
    "dtype", "byte_order", "offset", "size", "shape", "axis", "order", "selection",
    "compression", "filters", "missing",
)  # fmt: skip
WHERE = {"v1": ("source", "bucket", "object"), "v2": ("interface_type", "url")}
ACCESS = ("standin-key", "standin-secret")


class RefusalError(Exception):
    """What is answered with a status and JSON."""

    def __init__(self, status, message, *causes):
        super().__init__(message)
        self.status = status
        self.error = {"message": message}
        if causes:
            self.error["caused_by"] = list(causes)


class PanicError(Exception):
    """What makes the real server drop the connection."""


def invalid(*causes):
    return RefusalError(400, "request data is not valid", *causes)


def rough(text):
    """Read a decimal as serde_json does without float_roundtrip: rounding twice."""
    sign, whole, fraction, exponent = re.fullmatch(
        r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?", text
    ).groups()
    digits, power = int(whole + (fraction or "")), int(exponent or 0)
    while digits >= 1 << 64:
        digits, power = digits // 10, power + 1
    power -= len(fraction or "")
    number = float(digits)
    while power < -308:
        number, power = number / 1e308, power + 308
    number = (
        number * float(f"1e{power}") if power >= 0 else number / float(f"1e{-power}")
    )
    return -number if sign else number


def no_constant(name):
    raise ValueError(f"expected value, not {name}")


def parsed(body, version, has_options):
    try:
        request = json.loads(body, parse_float=rough, parse_constant=no_constant)
    except ValueError as error:
        raise invalid("Failed to parse the request body as JSON", str(error)) from error
    if not isinstance(request, dict):
        raise invalid("invalid type")
    known = (*WHERE[version], *FIELDS, *(OPTIONS if has_options else ()))
    for name in request:
        if name not in known:
            raise invalid(f"{name}: unknown field `{name}`, expected one of {known}")
    for name in (*WHERE[version], "dtype"):
        if name not in request:
            raise invalid(f"missing field `{name}`")
    if request["dtype"] not in DTYPES:
        raise invalid(f"unknown variant `{request['dtype']}`")
    return request


def checked(request):
    shape, axis = request.get("shape"), request.get("axis")
    selection = request.get("selection")
    if shape is not None and (len(shape) == 0 or 0 in shape):
        raise invalid("shape indices must be greater than 0")
    if request.get("size") == 0:
        raise invalid("size must be greater than 0")
    if request.get("compression") is None and request.get("size") is not None:
        nbytes = math.prod(shape) * np.dtype(request["dtype"]).itemsize
        if nbytes != request["size"]:
            raise invalid("Raw data size must be equal to the product of shape indices")
    if axis is not None:
        axes = [axis] if isinstance(axis, int) else axis
        if axes != sorted(set(axes)) or any(a >= len(shape) for a in axes):
            raise invalid("Reduction axes must be provided in ascending order")
        request["axis"] = axes
    if selection is not None and len(selection) != len(shape):
        raise invalid("Shape and selection must have the same length")


def missing_test(missing, dtype):
    """Make the test of elements, or refuse the rule."""
    if missing is None:
        return lambda array: np.zeros(array.shape, bool)
    if len(missing) != 1:
        raise invalid("missing: expected value")
    ((kind, value),) = missing.items()
    numbers = [
        fitted(v, dtype) for v in (value if isinstance(value, list) else [value])
    ]
    if kind == "missing_value":
        return lambda array: array == numbers[0]
    if kind == "missing_values":
        return lambda array: np.isin(array, numbers)
    if kind == "valid_min":
        return lambda array: array < numbers[0]
    if kind == "valid_max":
        return lambda array: array > numbers[0]
    low, high = numbers
    if low >= high:
        raise invalid("Missing data valid range min must be less than max")
    return lambda array: (array < low) | (array > high)


def fitted(value, dtype):
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not isinstance(value, int) or not limits.min <= value <= limits.max:
            raise invalid(f"Incompatible value {value} for missing")
        return dtype.type(value)
    with np.errstate(over="ignore"):
        number = dtype.type(value)
    if not np.isfinite(number):
        raise invalid(f"Incompatible value {value} for missing")
    return number


def inflated(compression, stored):
    try:
        if compression == "zlib":
            return zlib.decompress(stored)
        if compression == "gzip":
            return gzip.decompress(stored)
    except (zlib.error, OSError, EOFError) as error:
        raise RefusalError(400, "failed to decompress data", str(error)) from error
    raise invalid(f"unknown variant `{compression}`")


def unshuffled(step, stored):
    if step["id"] not in ("shuffle", "shuffle_simd"):
        raise invalid(f"unknown variant `{step['id']}`")
    size = step["element_size"]
    if len(stored) % size:
        raise PanicError
    return np.frombuffer(stored, "u1").reshape(size, -1).T.tobytes()


def decoded(request, stored):
    dtype = np.dtype(request["dtype"])
    if request.get("compression") is not None:
        stored = inflated(request["compression"]["id"], stored)
    for step in reversed(request.get("filters") or []):
        stored = unshuffled(step, stored)
    shape = request["shape"]
    nbytes = math.prod(shape) * dtype.itemsize
    if request.get("compression") is not None or request.get("size") is None:
        if len(stored) != nbytes:
            raise invalid("Raw data size must be equal to the product of shape indices")
    elif len(stored) < nbytes:
        raise RefusalError(400, "failed to create array from shape", "out of bounds")
    order = {"big": ">", "little": "<", None: "="}[request.get("byte_order")]
    elements = np.frombuffer(stored[:nbytes], dtype.newbyteorder(order)).astype(dtype)
    array = elements.reshape(shape, order=request.get("order") or "C")
    selection = request.get("selection")
    if selection is not None:
        array = array[tuple(slice(*item) for item in selection)]
    return array


def one_after_another(array, axis, operation):
    """Reduce an axis in the dtype, from the first element to the last."""
    dtype = array.dtype
    if operation == "sum":
        start = dtype.type(0)
    else:
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        start = limits.max if operation == "min" else limits.min
    by = {"sum": np.add, "min": np.minimum, "max": np.maximum}[operation]
    first = (
        np.full_like(np.take(array, [0], axis), start) if array.shape[axis] else None
    )
    if first is None:
        shape = array.shape[:axis] + array.shape[axis + 1 :]
        return np.full(shape, start, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        run = by.accumulate(np.concatenate([first, array], axis), axis, dtype=dtype)
    return np.take(run, -1, axis)


def reduced(request, operation, array):
    """Give values, their shape and counts, as the real server lays them out."""
    is_missing = missing_test(request.get("missing"), array.dtype)(array)
    valid = ~is_missing
    if operation == "select":
        values = array.T.ravel() if request.get("order") == "F" else array.ravel()
        return values, array.shape, [int(valid.sum())]
    is_ordered = operation in ("min", "max") and array.dtype.kind == "f"
    if is_ordered and bool((np.isnan(array) & valid).any()):
        raise PanicError
    axes = request.get("axis")
    axes = range(array.ndim) if axes is None else axes
    count = valid.astype(np.int64)
    if operation == "count":
        values = count
    else:
        start = one_after_another(array.reshape(-1)[:0], 0, operation)
        values = np.where(valid, array, start)
    for done, axis in enumerate(axes):
        count = count.sum(axis=axis - done)
        if operation == "count":
            values = count
        else:
            values = one_after_another(values, axis - done, operation)
    return values, np.shape(values), np.ravel(count).tolist()


@dataclass
class Fault:
    """What happens instead of an answer."""

    do: object
    """Called with the handler and the request."""
    times: int | None = 1
    when: object = field(default=lambda _operation, _body: True)


@dataclass
class Asked:
    """One request that came."""

    path: str
    body: dict
    authorization: str | None


class StandIn:
    """The server: a context manager; ``objects`` maps (bucket, key) to bytes."""

    def __init__(self, version="v2", *, has_options=True, access=ACCESS):
        self.version = version
        self.has_options = has_options
        self.access = access
        self.objects = {}
        self.asked = []
        self.faults = []
        self.cache = None
        self.port = 0
        self._server = None
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    # The server's life.

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.stopping.clear()
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                standin.serve(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

            def process_request(self, request, address):
                standin.connections.append(request)
                super().process_request(request, address)

        self.connections = []
        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def stop(self):
        if self._server is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self.connections:
            abort(connection)
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def fail(self, do, *, times=1, when=lambda _operation, _body: True):
        self.faults.append(Fault(do, times, when))

    # One request.

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        auth = handler.headers.get("Authorization")
        with self._lock:
            self.asked.append(Asked(handler.path, json.loads(body or b"null"), auth))
            fault = self._fault(handler.path, self.asked[-1].body)
        if fault is not None:
            fault.do(handler)
            return
        try:
            status, headers, content = self.answer(handler.path, body, auth)
        except PanicError:
            abort(handler.connection)
            handler.close_connection = True
            return
        reply(handler, status, headers, content)

    def _fault(self, path, body):
        operation = path.rpartition("/")[2]
        if isinstance(body, dict) and set(body) <= {"axis", "option_count_as_bytes"}:
            return None  # the question what the server speaks
        for fault in self.faults:
            if fault.times != 0 and fault.when(operation, body):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    def answer(self, path, body, auth=None):
        """Give status, headers and content; pure, but for the cache."""
        match = re.fullmatch(r"/(v\d)/(\w+)", path)
        if match is None or match[1] != self.version:
            return 404, {}, b""
        operation = match[2]
        try:
            if operation not in OPERATIONS:
                raise RefusalError(404, f"unsupported operation {operation}")
            request = parsed(body, self.version, self.has_options)
            checked(request)
            missing_test(request.get("missing"), np.dtype(request["dtype"]))
            stored = self.stored(request, auth)
            values, shape, count = reduced(request, operation, decoded(request, stored))
        except RefusalError as refusal:
            content = json.dumps({"error": refusal.error}, indent=2).encode()
            return refusal.status, {"content-type": "application/json"}, content
        dtype = "int64" if operation == "count" else request["dtype"]
        data = np.asarray(values, dtype).tobytes()
        if self.version == "v1":
            return 200, headers_v1(dtype, shape, count), data
        return (
            200,
            {"content-type": "application/cbor"},
            cbor_of(request, dtype, shape, count, data, self.has_options),
        )

    def stored(self, request, auth):
        if self.version == "v1":
            bucket, key = request["bucket"], request["object"]
        else:
            path = urlsplit(request["url"]).path
            bucket, _, key = path.lstrip("/").partition("/")
            bucket, key = unquote(bucket), unquote(key)
        if self.access is not None and auth != basic(*self.access):
            words = "InvalidAccessKeyId" if auth else "AccessDenied"
            raise RefusalError(
                401, "error retrieving object from S3 storage", "service error",
                f"unhandled error ({words})",
            )  # fmt: skip
        place = (bucket, key, request.get("offset"), request.get("size"))
        uses_cache = self.cache is not None and not request.get(OPTIONS[0])
        if uses_cache and place in self.cache:
            return self.cache[place]
        if (bucket, key) not in self.objects:
            known = {name for name, _ in self.objects}
            word = "NoSuchKey" if bucket in known else "NoSuchBucket"
            raise RefusalError(
                400, "error retrieving object from S3 storage", "service error", word
            )
        content = self.objects[bucket, key]
        if request.get("size") is not None:
            start = request.get("offset", 0)
            if start >= len(content):
                raise RefusalError(
                    500, "error retrieving object from S3 storage", "service error",
                    "unhandled error (InvalidRange)",
                )  # fmt: skip
            content = content[start : start + request["size"]]
        if uses_cache:
            self.cache[place] = content
        return content


def headers_v1(dtype, shape, count):
    return {
        "content-type": "application/octet-stream",
        "x-activestorage-dtype": dtype,
        "x-activestorage-shape": json.dumps(list(shape)),
        "x-activestorage-count": json.dumps(count),
        "x-activestorage-byte-order": "little",
    }


def cbor_of(request, dtype, shape, count, data, has_options):
    fields = {"bytes": data, "dtype": dtype, "shape": list(shape), "count": count}
    if has_options:
        fields |= {"shape_as_bytes": b"", "count_as_bytes": b""}
        if request.get("option_count_as_bytes"):
            packed = struct.pack(f"<{len(count)}q", *count)
            fields |= {"count": [], "count_as_bytes": packed}
    return cbor2.dumps(fields | {"byte_order": "little"})


def basic(key, secret):
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


def reply(handler, status, headers, content):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if "content-length" not in headers:
        handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def abort(connection):
    """Close a connection without an answer, and without waiting for the other side."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


# What happens instead of an answer.


def says(status, content=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def do(handler):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if not isinstance(content, bytes):
            headers.setdefault("content-type", "application/json")
        reply(handler, status, headers, data)

    return do


def drops(handler):
    abort(handler.connection)
    handler.close_connection = True


def echoes_instead_of_http(handler):
    """Answer with the credentials where a status line should stand."""
    said = handler.headers.get("Authorization", "")
    plain = base64.b64decode(said.removeprefix("Basic "))
    handler.wfile.write(said.encode() + b" " + plain + b"\r\n\r\n")
    handler.close_connection = True


def says_half(handler):
    reply(
        handler, 200, {"content-type": "application/cbor", "content-length": "1000"},
        b"\xa6ebytes",
    )  # fmt: skip
    drops(handler)


def no_http(handler):
    handler.wfile.write(b"\x15\x03\x01 no HTTP at all\r\n\r\n")
    drops(handler)


def hangs(standin):
    def do(handler):
        standin.stopping.wait(30)
        handler.close_connection = True

    return do


def trickles(standin):
    """An answer of which a byte comes now and then, for as long as anybody listens."""

    def do(handler):
        handler.send_response(200)
        handler.send_header("content-type", "application/cbor")
        handler.send_header("content-length", "5000")
        handler.end_headers()
        until = time.monotonic() + 30
        while time.monotonic() < until and not standin.stopping.is_set():
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
        handler.close_connection = True

    return do


class Direct:
    """A transport that asks a stand-in without a socket between."""

    def __init__(self, standin):
        self.standin = standin

    def send(self, exchange):
        auth = exchange.headers.get("Authorization")
        path = urlsplit(exchange.url).path
        try:
            status, headers, body = self.standin.answer(path, exchange.body, auth)
        except PanicError as panic:
            raise requests.ConnectionError(ConnectionResetError()) from panic
        return SimpleNamespace(
            status=status,
            headers=CaseInsensitiveDict(headers),
            body=io.BytesIO(body),
            close=lambda: None,
        )

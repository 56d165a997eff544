"""The one way out over HTTP, to servers on this machine, one of them with a certificate of its own."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolkit.aws.web import Asked, fetch
from toolkit.engine.errors import Unavailable


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("X-Said", f"{self.command} {self.path} {self.headers.get('cookie')} {body.decode()}")
        self.end_headers()
        self.wfile.write(b"moved")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(key.private_bytes(*formats) + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{made.server_address[1]}"
    made.shutdown()


def test_it_asks_over_tls_and_follows_no_redirect(server: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    reply = fetch(Asked(f"{server}/a/b?c=d", {"cookie": "x=y"}))
    assert (reply.status, reply.body, reply.headers["location"]) == (302, b"moved", "/elsewhere")
    assert reply.headers["x-said"] == "GET /a/b?c=d x=y "
    posted = fetch(Asked(server, {}, "POST", b"text"))
    assert posted.headers["x-said"] == "POST / None text"


def test_a_certificate_that_nobody_vouches_for_is_no_answer(server: str) -> None:
    with pytest.raises(Unavailable, match=r"https://127\.0\.0\.1 does not answer: .*CERTIFICATE_VERIFY_FAILED"):
        fetch(Asked(server))


def test_nobody_there_is_no_answer_and_the_path_stays_out_of_it() -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        fetch(Asked("https://127.0.0.1:1/services/secret"))
    assert "secret" not in str(caught.value)

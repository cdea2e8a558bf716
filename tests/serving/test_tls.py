"""TLS by BentoML's own options: with a certificate the service speaks https, to a client that trusts it and to no other."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scoring.errors import BadRequestError
from serving.serve import command, environment
from serving.settings import Settings, read_settings
from tests.serving.test_process import STARTS_WITHIN_SECONDS, free_port


@pytest.fixture
def papers(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(*kinds))
    return certificate, secret


@pytest.mark.slow
def test_the_service_answers_over_https_to_who_trusts_its_certificate(
    papers: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "home", "127.0.0.1", free_port(), 1, Path("nowhere"), tls=papers)
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        command(settings), env=environment(settings), cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
    )
    try:
        trusting = httpx.Client(
            base_url=f"https://localhost:{settings.port}", verify=ssl.create_default_context(cafile=papers[0])
        )
        answer = _once_alive(trusting, process)
        assert answer.json() == {"alive": True}
        assert trusting.get("/readyz").json()["code"] == "not_ready"
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://localhost:{settings.port}/healthz")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://localhost:{settings.port}/healthz")
        trusting.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _once_alive(client: httpx.Client, process: subprocess.Popen[bytes]) -> httpx.Response:
    for _ in range(STARTS_WITHIN_SECONDS * 5):
        assert process.poll() is None
        try:
            return client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the service did not start")


def test_a_certificate_without_its_key_is_refused_before_anything_starts(
    papers: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORING_TLS_CERT", str(papers[0]))
    with pytest.raises(BadRequestError, match="SCORING_TLS_KEY names no file"):
        read_settings()

    monkeypatch.setenv("SCORING_TLS_KEY", str(papers[1]))
    assert read_settings().tls == papers


def test_without_a_certificate_nothing_of_tls_is_asked_of_bentoml(tmp_path: Path) -> None:
    assert not [part for part in command(Settings(tmp_path, "127.0.0.1", 3000, 1, tmp_path)) if "ssl" in part]

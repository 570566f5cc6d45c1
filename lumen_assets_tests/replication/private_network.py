"""A network of its own, in which a program finds the Internet's hosts at the servers of a test, over TLS.

A process in fresh mount and network namespaces brings the loopback device up, puts a hosts file over ``/etc/hosts``,
opens port 443 and hands the listening sockets to the test, which so serves in that network from where it is. No port of
the machine is taken, nothing leads out, and nothing outlives the test: the process ends when the test does.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class PrivateNetwork:
    """What is in it.

    Attributes:
        listeners: by the name of a site, its listening socket, which speaks TLS.
        authority: the certificate of the authority that its certificates are from, a PEM file.
        pid: the process that holds the namespaces.
    """

    listeners: Mapping[str, ssl.SSLSocket]
    authority: Path
    pid: int

    def run(
        self, *command: str, environment: Mapping[str, str], seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in it, with no other environment than this."""
        enter = ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt", "--"]
        trust = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE": str(self.authority)}
        return subprocess.run(
            [*enter, *command],
            env={**trust, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def why_not() -> str | None:
    """Why there can be no such network here, or None."""
    probe = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False)
    return f"a mount and a network namespace need root: {probe.stderr.strip()}" if probe.returncode else None


@contextmanager
def private_network(folder: Path, sites: Mapping[str, tuple[str, ...]]) -> Iterator[PrivateNetwork]:
    """A network with these sites, each a name and its hosts."""
    folder.mkdir(parents=True)
    addresses = {site: f"127.0.0.{number}" for number, site in enumerate(sites, 1)}
    lines = [f"{addresses[site]} {host}\n" for site, hosts in sites.items() for host in hosts]
    (folder / "hosts").write_text("".join(["127.0.0.1 localhost\n", *lines]))
    context = _certified(folder, [host for hosts in sites.values() for host in hosts])
    ours, theirs = socket.socketpair()
    holder = ["unshare", "--mount", "--net", "--", sys.executable, "-I", __file__]
    with ours, theirs:
        process = subprocess.Popen(
            [*holder, str(theirs.fileno()), str(folder / "hosts"), *addresses.values()],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            _, found, _, _ = socket.recv_fds(ours, 1, len(addresses))
            if len(found) != len(addresses):
                raise RuntimeError(f"the private network was not made: exit {process.wait()}")
            plain = [socket.socket(fileno=descriptor) for descriptor in found]
            secure = [
                context.wrap_socket(
                    one, server_side=True, do_handshake_on_connect=False
                )  # but in the thread that answers
                for one in plain
            ]
            yield PrivateNetwork(dict(zip(sites, secure, strict=True)), folder / "authority.pem", process.pid)
        finally:
            ours.close()
            process.wait()


@contextmanager
def forwarded(listener: socket.socket, port: int) -> Iterator[None]:
    """Lead what comes to a site to a server of this machine, by its port on loopback."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def serve(visitor: socket.socket) -> None:
        with suppress(OSError), visitor, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=pump, args=(server, visitor), daemon=True)
            back.start()
            pump(visitor, server)
            back.join()

    def accept() -> None:
        with suppress(OSError):  # closed
            while True:
                visitor, _ = listener.accept()
                threading.Thread(target=serve, args=(visitor,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _certified(folder: Path, hosts: list[str]) -> ssl.SSLContext:
    """A server's context with a certificate for the hosts, and its authority in ``authority.pem``."""
    now = datetime.now(UTC)

    def certificate(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))

    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        certificate("authority of a test", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        certificate(hosts[0], key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(secret + leaf.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def _hold(channel: socket.socket, hosts: str, addresses: list[str]) -> None:
    """In the namespaces: make the network, give its listeners away, and stay until the other end is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        set_flags, up = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP: netdevice(7)
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    listeners = [socket.create_server((address, 443), backlog=64) for address in addresses]
    socket.send_fds(channel, [b"."], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    channel.recv(1)


if __name__ == "__main__":
    _hold(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3:])

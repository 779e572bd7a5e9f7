"""A TLS server with what rustls does not offer: `serve.py CERTIFICATE KEY [MAXIMUM_VERSION [CIPHERS]]`. Prints its port, answers 204."""

import socket
import ssl
import sys

certificate, key, version, ciphers = [*sys.argv[1:], "TLSv1_3", "", ""][:4] if len(sys.argv) < 4 else [*sys.argv[1:], ""][:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
# Keys as short as 1024 bits are what is tried here.
context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
context.load_cert_chain(certificate, key)
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.maximum_version = ssl.TLSVersion[version]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    plain, _ = listener.accept()
    plain.settimeout(10)
    try:
        with context.wrap_socket(plain, server_side=True) as stream:
            stream.recv(4096)
            stream.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    except OSError:
        pass

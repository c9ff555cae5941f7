"""Tokens made by PyJWT with keys made by cryptography: taken when they are right, refused when anything about them is not."""

import base64
import hmac
import http.server
import json
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
from common import Host, rows
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.example", "hyaline"
KINDS = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


def make_keys():
    return {algorithm: make() for algorithm, (make, _) in KINDS.items()}


def key_set(keys):
    """The public keys as RFC 7517 has them, named after their algorithms."""
    published = []
    for algorithm, key in keys.items():
        one = KINDS[algorithm][1].to_jwk(key.public_key(), as_dict=True)
        published.append({**one, "kid": algorithm, "use": "sig", "alg": algorithm})
    return json.dumps({"keys": published})


def token(keys, algorithm, kid=None, **changed):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 300, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, keys[algorithm], algorithm, headers={"kid": kid or algorithm})


def unsigned(algorithm, signature=b""):
    part = lambda document: base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 300}
    tail = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return f"{part({'alg': algorithm, 'kid': 'RS256', 'typ': 'JWT'})}.{part(claims)}.{tail}"


class Issuer:
    """Serves a key set on a free port of this machine."""

    def __init__(self, document):
        issuer = self
        self.document, self.asked = document, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = issuer.document.encode()
                self.send_response(200)
                self.send_header("content-type", "application/jwk-set+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"


def main():
    host = Host()
    row = rows("credit", 1)[0]

    def call(bearer=None):
        headers = {"content-type": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        request = urllib.request.Request(host.url + "/credit/predict", json.dumps(row).encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            if error.code == 401:
                assert error.headers["www-authenticate"].startswith("Bearer"), error.headers
            return error.code

    def require(source):
        issuer = {"issuer": ISSUER, "audience": AUDIENCE, "keys": source, "leeway_seconds": 5}
        host.control_api("PUT", "/api/functions/credit/settings", {"access": {"required": True, "jwt": [issuer]}})

    keys, others = make_keys(), make_keys()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "jwks.json"
        file.write_text(key_set(keys))
        issuer = Issuer(key_set(keys))
        now = int(time.time())
        rsa_public = keys["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        # HMAC over the public key: what a verifier takes that lets the token choose its algorithm.
        confused = unsigned("HS256")
        confused = confused + base64.urlsafe_b64encode(
            hmac.digest(rsa_public, confused.rstrip(".").encode(), "sha256")
        ).rstrip(b"=").decode()
        for source in [{"file": str(file)}, {"url": issuer.url}]:
            require(source)
            assert call() == 401
            for algorithm in KINDS:
                assert call(token(keys, algorithm)) == 200, (source, algorithm)
                assert call(token(keys, algorithm, aud=["other", AUDIENCE])) == 200, (source, algorithm)
                wrong = {
                    "another's key": token(others, algorithm),
                    "another's audience": token(keys, algorithm, aud="other"),
                    "no audience": token(keys, algorithm, aud=None),
                    "another issuer": token(keys, algorithm, iss="https://other.example"),
                    "no issuer": token(keys, algorithm, iss=None),
                    "expired": token(keys, algorithm, exp=now - 60),
                    "without an end": token(keys, algorithm, exp=None),
                    "not yet": token(keys, algorithm, nbf=now + 120),
                    "cut short": token(keys, algorithm)[:-4],
                    "another's key id": token(keys, algorithm, kid=next(other for other in KINDS if other != algorithm)),
                }
                for what, bad in wrong.items():
                    assert call(bad) == 401, (source, algorithm, what)
            for bad in [unsigned("none"), unsigned("None"), unsigned("RS256"), confused, "a.b.c", "." * 1000]:
                assert call(bad) == 401, (source, bad[:80])
            # RFC 6750: a request that carries no token where it says so is malformed.
            assert call("") == 400, source
        assert issuer.asked > 0, "the URL was never asked"

    # Whoever calls is written down under the name the token gives.
    usage = host.control_api("GET", "/api/usage?by=caller")
    assert any("ada" in json.dumps(line) for line in usage), usage
    print("tokens: ok")


main()

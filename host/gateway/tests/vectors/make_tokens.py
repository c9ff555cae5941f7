"""Makes tokens.json: tokens and key sets from PyJWT and cryptography, good ones and each kind of bad one.

    python3 -m venv venv && venv/bin/pip install pyjwt cryptography && venv/bin/python make_tokens.py > tokens.json

Every run makes new keys, so the file changes as a whole. Private keys are not kept.
"""

import base64
import json
from importlib.metadata import version

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_800_000_000
ISSUER = "https://issuer.example"
RULES = {"iss": ISSUER, "aud": "hyaline", "sub": "alice", "iat": NOW - 10, "exp": NOW + 600}

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
other_rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
ec_key = ec.generate_private_key(ec.SECP256R1())
ec384_key = ec.generate_private_key(ec.SECP384R1())
ed_key = ed25519.Ed25519PrivateKey.generate()
ed448_key = ed448.Ed448PrivateKey.generate()


def jwk(algorithm, key, **more):
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def public(key):
    """Without `key_ops`, which PyJWT adds: sets of issuers rarely have it."""
    return {name: value for name, value in key.items() if name != "key_ops"}


rsa_jwk = jwk(RSAAlgorithm, rsa_key, kid="r1", use="sig", alg="RS256")
ec_jwk = jwk(ECAlgorithm, ec_key, kid="e1", use="sig")
ed_jwk = jwk(OKPAlgorithm, ed_key, kid="d1")
passed_over = [
    jwk(RSAAlgorithm, other_rsa_key, kid="enc", use="enc"),
    jwk(RSAAlgorithm, other_rsa_key, kid="ps", use="sig", alg="PS256"),
    jwk(ECAlgorithm, ec384_key, kid="e384"),
    jwk(OKPAlgorithm, ed448_key, kid="d448"),
    {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
    {"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AAAA"},
]
sets = {
    "all": [*map(public, [rsa_jwk, ec_jwk, ed_jwk]), *passed_over],
    "rsa": [{name: value for name, value in rsa_jwk.items() if name not in ("kid", "use", "alg")}],
    "ec": [ec_jwk],
    "same_kid": [{**public(rsa_jwk), "kid": "k"}, {**public(ec_jwk), "kid": "k"}],
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key, algorithm, kid, claims=None, header=None, **changes):
    claims = {**RULES, **changes} if claims is None else claims
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {**({"kid": kid} if kid else {}), **(header or {})}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def raw(payload, header=b"", algorithm="EdDSA", key=ed_key):
    """Signs a payload, and a header if given, byte by byte."""
    if not header:
        return jwt.api_jws.encode(payload, key, algorithm=algorithm, headers={"kid": "d1"})
    signed = f"{b64(header)}.{b64(payload)}".encode()
    return f"{signed.decode()}.{b64(key.sign(signed))}"


def claims(**changes):
    return json.dumps({**RULES, **changes}).encode()


pem = rsa_key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def confused():
    """HS256 with the RSA public key as the secret. PyJWT refuses to make one, so it is put together here."""
    import hashlib
    import hmac

    header = b64(b'{"alg":"HS256","typ":"JWT","kid":"r1"}')
    signed = f"{header}.{b64(claims())}".encode()
    return f"{signed.decode()}.{b64(hmac.new(pem, signed, hashlib.sha256).digest())}"


def der_signature():
    signed = token(ec_key, "ES256", "e1").rsplit(".", 1)[0]
    return f"{signed}.{b64(ec_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))}"


good = token(rsa_key, "RS256", "r1")
head, body, signature = good.split(".")
WRONG = "the signature of the token is wrong"
ALICE = f"{ISSUER}|alice"
cases = [
    # name, key set, token, caller or words, extra rules
    ("RS256", "all", good, ALICE, {}),
    ("ES256", "all", token(ec_key, "ES256", "e1"), ALICE, {}),
    ("EdDSA", "all", token(ed_key, "EdDSA", "d1"), ALICE, {}),
    ("no kid, one key", "rsa", token(rsa_key, "RS256", None), ALICE, {}),
    ("no kid, one key, other algorithm", "rsa", token(ec_key, "ES256", None), "the token is signed with ES256, but its key is not for that", {}),
    ("no kid, several keys", "all", token(rsa_key, "RS256", None), "the token names no key (kid), and its issuer has 3", {}),
    ("kid of two kinds, RS256", "same_kid", token(rsa_key, "RS256", "k"), ALICE, {}),
    ("kid of two kinds, ES256", "same_kid", token(ec_key, "ES256", "k"), ALICE, {}),
    ("kid of another kind", "all", token(ec_key, "ES256", "r1"), "the token is signed with ES256, but its key is not for that", {}),
    ("kid of a key for encryption", "all", token(other_rsa_key, "RS256", "enc"), "the token is signed with the key `enc`, which its issuer does not have", {}),
    ("kid unknown", "all", token(rsa_key, "RS256", "r2"), "the token is signed with the key `r2`, which its issuer does not have", {}),
    ("kid with bad characters", "all", token(rsa_key, "RS256", "r\n\"2"), "the token is signed with the key `r?\"2`, which its issuer does not have", {}),
    ("signed with another key", "all", token(other_rsa_key, "RS256", "r1"), WRONG, {}),
    ("claims exchanged", "all", f"{head}.{b64(claims(sub='mallory'))}.{signature}", WRONG, {}),
    ("signature cut", "all", good[:-6], WRONG, {}),
    ("signature empty", "all", f"{head}.{body}.", WRONG, {}),
    ("ES256 signature in DER", "all", der_signature(), WRONG, {}),
    ("aud list", "all", token(ed_key, "EdDSA", "d1", aud=["other", "hyaline"]), ALICE, {}),
    ("aud other", "all", token(ed_key, "EdDSA", "d1", aud="other"), "the token is not for `hyaline` (aud)", {}),
    ("aud others", "all", token(ed_key, "EdDSA", "d1", aud=["other", "hyaline2"]), "the token is not for `hyaline` (aud)", {}),
    ("aud empty list", "all", token(ed_key, "EdDSA", "d1", aud=[]), "the token is not for `hyaline` (aud)", {}),
    ("aud number", "all", raw(claims(aud=1)), "the claim aud of the token is not a text or a list of texts", {}),
    ("aud missing", "all", token(ed_key, "EdDSA", "d1", aud=None), "the token lacks the claim aud", {}),
    ("iss other", "all", token(ed_key, "EdDSA", "d1", iss=ISSUER + "/"), "tokens of the issuer `https://issuer.example/` are not taken here", {}),
    ("iss missing", "all", token(ed_key, "EdDSA", "d1", iss=None), "the token lacks the claim iss", {}),
    ("iss list", "all", raw(claims(iss=[ISSUER])), "the claim iss of the token is not a text", {}),
    ("exp within leeway", "all", token(ed_key, "EdDSA", "d1", exp=NOW - 59), ALICE, {}),
    ("exp at the end of leeway", "all", token(ed_key, "EdDSA", "d1", exp=NOW - 60), "the token has expired", {}),
    ("exp without leeway", "all", token(ed_key, "EdDSA", "d1", exp=NOW), "the token has expired", {"leeway_seconds": 0}),
    ("exp long ago", "all", token(ed_key, "EdDSA", "d1", exp=1), "the token has expired", {}),
    ("exp with a fraction", "all", raw(claims(exp=NOW + 0.5)), ALICE, {}),
    ("exp far away", "all", raw(claims(exp=1e300)), ALICE, {}),
    ("exp missing", "all", token(ed_key, "EdDSA", "d1", exp=None), "the token lacks the claim exp", {}),
    ("exp text", "all", raw(claims(exp=str(NOW + 600))), "the claim exp of the token is not a number of seconds since 1970", {}),
    ("exp negative", "all", raw(claims(exp=-1)), "the claim exp of the token is not a number of seconds since 1970", {}),
    ("nbf within leeway", "all", token(ed_key, "EdDSA", "d1", nbf=NOW + 60), ALICE, {}),
    ("nbf in the future", "all", token(ed_key, "EdDSA", "d1", nbf=NOW + 61), "the token is not valid yet (nbf)", {}),
    ("sub missing", "all", token(ed_key, "EdDSA", "d1", sub=None), "the token lacks the claim `sub`", {}),
    ("sub number", "all", raw(claims(sub=7)), "the claim `sub` of the token is not a text", {}),
    ("sub empty", "all", raw(claims(sub="")), "the claim `sub` of the token is not a text of 1 to 255 bytes without control characters", {}),
    ("sub with a line break", "all", raw(claims(sub="a\nb")), "the claim `sub` of the token is not a text of 1 to 255 bytes without control characters", {}),
    ("sub long", "all", raw(claims(sub="a" * 256)), "the claim `sub` of the token is not a text of 1 to 255 bytes without control characters", {}),
    ("other caller claim", "all", raw(claims(client_id="shop")), f"{ISSUER}|shop", {"caller_claim": "client_id"}),
    ("alg none", "all", jwt.encode(RULES, None, algorithm="none", headers={"kid": "r1"}), "the token is signed with `none`; this host takes RS256, ES256 and EdDSA", {}),
    ("alg nOnE", "all", b64(b'{"alg":"nOnE"}') + f".{body}.", "the token is signed with `nOnE`; this host takes RS256, ES256 and EdDSA", {}),
    ("alg confusion", "all", confused(), "the token is signed with `HS256`; this host takes RS256, ES256 and EdDSA", {}),
    ("HS256", "all", token("0123456789abcdef0123456789abcdef", "HS256", "secret"), "the token is signed with `HS256`; this host takes RS256, ES256 and EdDSA", {}),
    ("RS384", "all", token(rsa_key, "RS384", "r1"), "the token is signed with `RS384`; this host takes RS256, ES256 and EdDSA", {}),
    ("PS256", "all", token(other_rsa_key, "PS256", "ps"), "the token is signed with `PS256`; this host takes RS256, ES256 and EdDSA", {}),
    ("ES384", "all", token(ec384_key, "ES384", "e384"), "the token is signed with `ES384`; this host takes RS256, ES256 and EdDSA", {}),
    ("EdDSA with Ed448", "all", token(ed448_key, "EdDSA", "d448"), "the token is signed with the key `d448`, which its issuer does not have", {}),
    ("alg missing", "all", raw(claims(), b'{"kid":"d1"}'), "the token is signed with nothing; this host takes RS256, ES256 and EdDSA", {}),
    ("crit", "all", token(ed_key, "EdDSA", "d1", header={"crit": ["exp"], "exp": NOW}), "the token has critical headers (crit), and this host understands none", {}),
    ("crit b64", "all", raw(claims(), b'{"alg":"EdDSA","kid":"d1","b64":false,"crit":["b64"]}'), "the token has critical headers (crit), and this host understands none", {}),
    ("typ at+jwt", "all", token(ed_key, "EdDSA", "d1", header={"typ": "application/at+JWT"}), ALICE, {}),
    ("typ absent", "all", raw(claims(), b'{"alg":"EdDSA","kid":"d1"}'), ALICE, {}),
    ("typ logout+jwt", "all", token(ed_key, "EdDSA", "d1", header={"typ": "logout+jwt"}), "the token is of the type `logout+jwt`; this host takes JWT and at+jwt", {}),
    ("claim twice", "all", raw(claims()[:-1] + b', "sub": "mallory"}'), "the claim set of the token says `sub` twice", {}),
    ("claim twice, escaped", "all", raw(claims()[:-1] + b', "\\u0073ub": "mallory"}'), "the claim set of the token says `sub` twice", {}),
    ("header twice", "all", raw(claims(), b'{"alg":"EdDSA","kid":"d1","alg":"none"}'), "the header of the token says `alg` twice", {}),
    ("kid number", "all", raw(claims(), b'{"alg":"EdDSA","kid":1}'), "the claim kid of the token is not a text", {}),
    ("claims list", "all", raw(b"[]"), "the claim set of the token is not a JSON object", {}),
    ("claims empty", "all", raw(b""), "the claim set of the token is not a JSON object", {}),
    ("claims followed by more", "all", raw(claims() + b"{}"), "the claim set of the token is not a JSON object", {}),
    ("claims in Latin-1", "all", raw(claims()[:-1] + b', "x": "\xe4"}'), "the claim set of the token is not a JSON object", {}),
    ("padding", "all", f"{head}.{body}.{signature}==", "the signature of the token is not base64url without padding", {}),
    ("base64, not base64url", "all", f"{head}.{body}.+/+/", "the signature of the token is not base64url without padding", {}),
    ("two parts", "all", f"{head}.{body}", "a token has three parts between dots, this one has 2", {}),
    ("five parts", "all", f"{head}..{body}.{signature}.{signature}", "a token has three parts between dots, this one has 5", {}),
    ("one part", "all", "opaque", "a token has three parts between dots, this one has 1", {}),
]

print(
    json.dumps(
        {
            "made_by": {name: version(name) for name in ("PyJWT", "cryptography")},
            "now": NOW,
            "issuer": ISSUER,
            "audience": "hyaline",
            "sets": {name: {"keys": keys} for name, keys in sets.items()},
            "cases": [
                {"name": name, "set": keys, "token": text, "expected": expected, "rules": rules}
                for name, keys, text, expected, rules in cases
            ],
        },
        indent=1,
    )
)

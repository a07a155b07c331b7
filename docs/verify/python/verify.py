"""Verifies access tokens of jwtd with PyJWT.

    python verify.py --issuer ISS --audience AUD [--keys DIRECTORY] [--jwks URL|FILE] [--max-age SECONDS] [TOKEN...]

Without a TOKEN it reads them from standard input, one a line. A line of output each: "accepted sub=... sid=... roles=...", or "refused: "
and why. It exits with 0 when all were accepted, 1 when one was refused, 2 when it could not begin.
"""

import argparse
import base64
import json
import pathlib
import re
import sys
import time
import urllib.request

import jwt

LEEWAY = 5  # seconds that two clocks may differ, as the service itself allows
PAUSE = 1  # seconds between two readings of the keys, at least
MAX_AGE = 300  # seconds until the keys are read again in any case, so that one that was removed is forgotten
TIMEOUT = 2  # seconds for the JWKS to come
KID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ALGORITHMS = {("EC", "P-256"): "ES256", ("RSA", None): "RS256"}  # by the kty and crv of a JWK; never "oct"


class Keys:
    """The keys by their kid, each with the one algorithm that it is for. A kid is looked up, never made a path of."""

    def __init__(self, directory, jwks, max_age):
        self.directory, self.jwks, self.max_age = directory, jwks, max_age
        self.tried = time.monotonic()
        self.read()

    def find(self, kid):
        now = time.monotonic()
        if (kid not in self.by_kid or now - self.read_at >= self.max_age) and now - self.tried >= PAUSE:
            self.tried = now
            try:
                self.read()
            except Exception:  # whatever came instead of keys
                pass  # what is known stays in force
        return self.by_kid.get(kid)

    def read(self):
        found = {}
        if self.jwks:
            self.read_jwks(found)
        if self.directory:
            self.read_directory(found)
        self.by_kid, self.read_at = found, time.monotonic()

    def read_directory(self, found):
        for path in pathlib.Path(self.directory).iterdir():
            if path.suffix != ".hs256" or not KID.fullmatch(path.stem):
                continue
            try:
                text = path.read_bytes().strip()
                secret = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            except (OSError, ValueError):
                continue
            if len(secret) >= 32:
                found[path.stem] = "HS256", secret

    def read_jwks(self, found):
        if re.match("https?://", self.jwks):
            with urllib.request.urlopen(self.jwks, timeout=TIMEOUT) as reply:
                text = reply.read()
        else:
            text = pathlib.Path(self.jwks).read_bytes()
        members = json.loads(text)["keys"]
        if not isinstance(members, list):
            raise ValueError("no JWK Set")
        for jwk in members:
            try:
                algorithm = ALGORITHMS[jwk["kty"], jwk.get("crv")]
                is_for_this = jwk.get("use", "sig") == "sig" and jwk.get("alg", algorithm) == algorithm
                if is_for_this and KID.fullmatch(jwk["kid"]):
                    found[jwk["kid"]] = algorithm, jwt.PyJWK(jwk, algorithm).key
            except Exception:
                continue  # one key that cannot be read costs the others nothing


def check(token, keys, issuer, audience):
    """Returns the claims, or raises jwt.InvalidTokenError, whatever the token is."""
    try:
        header = jwt.get_unverified_header(token)
        if "crit" in header or "b64" in header:
            raise jwt.InvalidTokenError("unknown extension")
        kid = header.get("kid")
        found = keys.find(kid) if isinstance(kid, str) and KID.fullmatch(kid) else None
        if found is None:
            raise jwt.InvalidTokenError("unknown key")
        algorithm, key = found
        required = {"require": ["exp", "sub", "sid", "iss", "aud"]}
        algorithms = [algorithm]  # of the key, never of the token
        claims = jwt.decode(token, key, algorithms, required, issuer=issuer, audience=audience, leeway=LEEWAY)
    except jwt.InvalidTokenError:
        raise
    except Exception as error:  # whatever a token does to a parser, it is the token that is wrong
        raise jwt.InvalidTokenError("malformed") from error
    if not isinstance(claims["sid"], str):
        raise jwt.InvalidTokenError("sid is not a string")
    return claims


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    parser.add_argument("--keys", metavar="DIRECTORY")
    parser.add_argument("--jwks", metavar="URL|FILE")
    parser.add_argument("--max-age", type=float, default=MAX_AGE)
    parser.add_argument("tokens", nargs="*")
    options = parser.parse_args()
    try:
        keys = Keys(options.keys, options.jwks, options.max_age)
    except Exception as error:
        parser.error(f"no keys: {error}")
    sys.stdin.reconfigure(errors="replace")
    refused = False
    for line in options.tokens or sys.stdin:
        try:
            claims = check(line.strip(), keys, options.issuer, options.audience)
            print(f"accepted sub={claims['sub']} sid={claims['sid']} roles={','.join(claims.get('roles', [])) or '-'}", flush=True)
        except jwt.InvalidTokenError as error:
            print("refused:", " ".join(str(error).split()), flush=True)
            refused = True
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()

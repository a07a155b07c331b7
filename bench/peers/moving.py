"""moving.py URL before|after: what a client of both sees while endpoints move from a peer to jwtd. Keeps the first session in the file that
MOVING_STATE names; prints one line a case; uses the standard library only."""

import json
import os
import sys
import urllib.error
import urllib.request

url, phase = sys.argv[1:]
state = os.environ["MOVING_STATE"]
ada = {"email": "ada@example.org", "password": "a long walk by the sea"}
grace = {"email": "grace@example.org", "password": "a nanosecond is a foot"}


def call(method, path, body=None, token=None):
    """Returns the status and the body, parsed if there is one."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url + path, json.dumps(body).encode() if body is not None else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
            return reply.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def expect(what, reply, status, of_jwtd=None):
    fits = reply[0] == status and (of_jwtd is None or reply[1]["refresh_token"].startswith("jr2_") == of_jwtd)
    print("ok" if fits else "FAILED", what, "" if fits else reply, flush=True)
    return reply[1]


if phase == "before":
    expect("a user registers at the service before", call("POST", "/auth/register", ada), 201)
    tokens = expect("and logs in", call("POST", "/auth/login", ada), 200, of_jwtd=False)
else:
    with open(state) as file:
        tokens = json.load(file)
    expect("the access token from before is good", call("GET", "/auth/me", token=tokens["access_token"]), 200)
    tokens = expect("the session from before refreshes where it was opened", call("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]}), 200, of_jwtd=False)
    expect("and is verified there", call("GET", "/auth/verify", token=tokens["access_token"]), 200)
    new = expect("the same user and password log in at jwtd", call("POST", "/auth/login", ada), 200, of_jwtd=True)
    me = expect("the new access token is asked of jwtd", call("GET", "/auth/me", token=new["access_token"]), 200)
    expect("the user is the same one", (200 if me["id"] == call("GET", "/auth/me", token=tokens["access_token"])[1]["id"] else me, None), 200)
    new = expect("the new session refreshes at jwtd", call("POST", "/auth/refresh", {"refresh_token": new["refresh_token"]}), 200, of_jwtd=True)
    expect("and is verified there", call("GET", "/auth/verify", token=new["access_token"]), 200)
    expect("and ends there", call("POST", "/auth/logout", {"refresh_token": new["refresh_token"]}), 204)
    expect("for good", call("GET", "/auth/verify", token=new["access_token"]), 401)
    expect("the session from before goes on", call("GET", "/auth/me", token=tokens["access_token"]), 200)
    expect("whoever registers now", call("POST", "/auth/register", grace), 201)
    expect("logs in at jwtd", call("POST", "/auth/login", grace), 200, of_jwtd=True)

with open(state, "w") as file:
    json.dump(tokens, file)

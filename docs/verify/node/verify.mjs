/*
 * Verifies access tokens of jwtd with jose.
 *
 *     node verify.mjs --issuer ISS --audience AUD [--keys DIRECTORY] [--jwks URL|FILE] [--max-age SECONDS] [TOKEN...]
 *
 * Without a TOKEN it reads them from standard input, one a line. A line of output each: "accepted sub=... sid=... roles=...", or
 * "refused: " and why. It exits with 0 when all were accepted, 1 when one was refused, 2 when it could not begin.
 */
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { decodeProtectedHeader, importJWK, jwtVerify } from "jose";

const LEEWAY = 5; // seconds that two clocks may differ, as the service itself allows
const PAUSE = 1; // seconds between two readings of the keys, at least
const MAX_AGE = 300; // seconds until the keys are read again in any case, so that one that was removed is forgotten
const TIMEOUT = 2; // seconds for the JWKS to come
const REQUIRED = ["exp", "sub", "sid", "iss", "aud"];
const KID = /^[A-Za-z0-9._-]{1,64}$/;
const ALGORITHMS = { "EC P-256": "ES256", RSA: "RS256" }; // by the kty and crv of a JWK; never "oct"

const seconds = () => performance.now() / 1000;

/* The keys by their kid, each with the one algorithm that it is for. A kid is looked up, never made a path of. */
class Keys {
    constructor(directory, jwks, maxAge) {
        Object.assign(this, { directory, jwks, maxAge });
    }

    async find(kid) {
        const now = seconds();
        if ((!this.byKid.has(kid) || now - this.readAt >= this.maxAge) && now - this.tried >= PAUSE) {
            this.reading = this.read().catch(() => {}); // if it fails, what is known stays in force
        }
        await this.reading; // also of another request that came at the same time
        return this.byKid.get(kid);
    }

    async read() {
        this.tried = seconds();
        const found = new Map();
        if (this.jwks) {
            await this.readJwks(found);
        }
        if (this.directory) {
            await this.readDirectory(found);
        }
        this.byKid = found;
        this.readAt = seconds();
    }

    async readDirectory(found) {
        for (const name of await readdir(this.directory)) {
            const kid = name.replace(/\.hs256$/, "");
            if (kid === name || !KID.test(kid)) {
                continue;
            }
            const text = (await readFile(`${this.directory}/${name}`, "utf8").catch(() => "")).trim(); // one that cannot be read
            const secret = Buffer.from(text, "base64url");
            if (secret.length >= 32 && secret.toString("base64url") === text) {
                found.set(kid, { algorithm: "HS256", key: secret });
            }
        }
    }

    async readJwks(found) {
        const { keys } = JSON.parse(await fetchText(this.jwks));
        if (!Array.isArray(keys)) {
            throw new Error("no JWK Set");
        }
        for (const jwk of keys) {
            try {
                const algorithm = ALGORITHMS[jwk.crv ? `${jwk.kty} ${jwk.crv}` : jwk.kty];
                if (algorithm && (jwk.use ?? "sig") === "sig" && (jwk.alg ?? algorithm) === algorithm) {
                    found.set(jwk.kid, { algorithm, key: await importJWK(jwk, algorithm) });
                }
            } catch {
                continue; // one key that cannot be read costs the others nothing
            }
        }
    }
}

async function fetchText(place) {
    if (!/^https?:\/\//.test(place)) {
        return readFile(place, "utf8");
    }
    const reply = await fetch(place, { signal: AbortSignal.timeout(TIMEOUT * 1000) });
    if (!reply.ok) {
        throw new Error(`${place}: ${reply.status}`);
    }
    return reply.text();
}

/* Returns the claims, or throws, whatever the token is. */
async function check(token, keys, issuer, audience) {
    const header = decodeProtectedHeader(token);
    if ("crit" in header || "b64" in header) {
        throw new Error("unknown extension");
    }
    const found = typeof header.kid === "string" && KID.test(header.kid) ? await keys.find(header.kid) : undefined;
    if (!found) {
        throw new Error("unknown key");
    }
    const { payload } = await jwtVerify(token, found.key, {
        algorithms: [found.algorithm], // of the key, not of the token
        issuer,
        audience,
        clockTolerance: LEEWAY,
        requiredClaims: REQUIRED,
    });
    if (typeof payload.sub !== "string" || typeof payload.sid !== "string") {
        throw new Error("sub or sid is not a string");
    }
    return payload;
}

function readArguments() {
    const value = { type: "string" };
    const { values, positionals } = parseArgs({
        options: { issuer: value, audience: value, keys: value, jwks: value, "max-age": { ...value, default: String(MAX_AGE) } },
        allowPositionals: true,
    });
    if (!values.issuer || !values.audience) {
        throw new Error("--issuer and --audience are needed");
    }
    return { ...values, tokens: positionals };
}

async function main() {
    let options, keys;
    try {
        options = readArguments();
        keys = new Keys(options.keys, options.jwks, Number(options["max-age"]));
        await keys.read();
    } catch (error) {
        console.error(`cannot begin: ${error.message}`);
        process.exitCode = 2;
        return;
    }
    const lines = options.tokens.length > 0 ? options.tokens : createInterface({ input: process.stdin });
    for await (const line of lines) {
        try {
            const { sub, sid, roles } = await check(line.trim(), keys, options.issuer, options.audience);
            console.log(`accepted sub=${sub} sid=${sid} roles=${roles?.join() || "-"}`);
        } catch (error) {
            console.log(`refused: ${error.message.replace(/\s+/g, " ")}`);
            process.exitCode = 1;
        }
    }
}

await main();

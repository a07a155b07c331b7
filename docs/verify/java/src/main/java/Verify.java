import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies access tokens of jwtd with nimbus-jose-jwt.
 *
 * <pre>java Verify --issuer ISS --audience AUD [--keys DIRECTORY] [--jwks URL|FILE] [--max-age SECONDS] [TOKEN...]</pre>
 *
 * Without a TOKEN it reads them from standard input, one a line. A line of output each: "accepted sub=... sid=... roles=...", or
 * "refused: " and why. It exits with 0 when all were accepted, 1 when one was refused, 2 when it could not begin.
 */
public final class Verify {
    static final int LEEWAY = 5; // seconds that two clocks may differ, as the service itself allows; nimbus' default is 60
    static final long PAUSE_NS = Duration.ofSeconds(1).toNanos(); // between two readings of the keys, at least
    static final String MAX_AGE = "300"; // seconds until the keys are read again in any case: one that was removed is forgotten
    static final Duration TIMEOUT = Duration.ofSeconds(2); // for the JWKS to come
    static final Set<String> REQUIRED = Set.of("exp", "sub", "sid", "iss", "aud");
    static final Pattern KID = Pattern.compile("[A-Za-z0-9._-]{1,64}");

    /** A key with the one algorithm that it is for. */
    record Key(JWSAlgorithm algorithm, java.security.Key material) {}

    /** The keys by their kid. A kid is looked up, never made a path of. */
    static final class Keys {
        private final String directory;
        private final String jwks;
        private final double maxAge;
        private final HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
        private Map<String, Key> byKid;
        private long readAt;
        private long tried;

        Keys(String directory, String jwks, double maxAge) throws IOException, ParseException {
            this.directory = directory;
            this.jwks = jwks;
            this.maxAge = maxAge;
            read();
        }

        synchronized Key find(String kid) {
            long now = System.nanoTime();
            if ((!byKid.containsKey(kid) || now - readAt >= maxAge * 1e9) && now - tried >= PAUSE_NS) {
                try {
                    read();
                } catch (IOException | ParseException | RuntimeException e) {
                    // what is known stays in force
                }
            }
            return byKid.get(kid);
        }

        private void read() throws IOException, ParseException {
            tried = System.nanoTime();
            Map<String, Key> found = new HashMap<>();
            if (jwks != null) {
                readJwks(found);
            }
            if (directory != null) {
                readDirectory(found);
            }
            byKid = found;
            readAt = System.nanoTime();
        }

        private void readDirectory(Map<String, Key> found) throws IOException {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of(directory), "*.hs256")) {
                for (Path file : files) {
                    String kid = file.getFileName().toString().replaceFirst("\\.hs256$", "");
                    if (!KID.matcher(kid).matches()) {
                        continue;
                    }
                    try {
                        byte[] secret = Base64.getUrlDecoder().decode(Files.readString(file, StandardCharsets.US_ASCII).strip());
                        if (secret.length >= 32) {
                            found.put(kid, new Key(JWSAlgorithm.HS256, new SecretKeySpec(secret, "HmacSHA256")));
                        }
                    } catch (IOException | IllegalArgumentException e) {
                        continue; // one key that cannot be read costs the others nothing
                    }
                }
            }
        }

        private void readJwks(Map<String, Key> found) throws IOException, ParseException {
            List<Object> members = JSONObjectUtils.getJSONArray(JSONObjectUtils.parse(fetch()), "keys");
            if (members == null) {
                throw new ParseException("no JWK Set", 0);
            }
            for (Object member : members) {
                try {
                    JWK jwk = JWK.parse(asObject(member));
                    Key key = publicKey(jwk);
                    boolean isForThis = key != null && (jwk.getAlgorithm() == null || jwk.getAlgorithm().equals(key.algorithm()));
                    if (isForThis && (jwk.getKeyUse() == null || jwk.getKeyUse().equals(KeyUse.SIGNATURE))) {
                        found.put(jwk.getKeyID(), key);
                    }
                } catch (ParseException | JOSEException | RuntimeException e) {
                    continue;
                }
            }
        }

        @SuppressWarnings("unchecked")
        private static Map<String, Object> asObject(Object member) {
            return (Map<String, Object>) member;
        }

        private static Key publicKey(JWK jwk) throws JOSEException {
            if (jwk instanceof ECKey ec && Curve.P_256.equals(ec.getCurve())) {
                return new Key(JWSAlgorithm.ES256, ec.toECPublicKey());
            }
            return jwk instanceof RSAKey rsa ? new Key(JWSAlgorithm.RS256, rsa.toRSAPublicKey()) : null; // never "oct"
        }

        private String fetch() throws IOException {
            if (!jwks.startsWith("http://") && !jwks.startsWith("https://")) {
                return Files.readString(Path.of(jwks));
            }
            try {
                HttpRequest request = HttpRequest.newBuilder(URI.create(jwks)).timeout(TIMEOUT).build();
                HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
                if (reply.statusCode() != 200) {
                    throw new IOException(jwks + ": " + reply.statusCode());
                }
                return reply.body();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException(e);
            }
        }

        /** The key that a token may be verified with. */
        List<java.security.Key> of(JWSHeader header) {
            String kid = header.getKeyID();
            Key key = kid != null && KID.matcher(kid).matches() ? find(kid) : null;
            boolean isItsAlgorithm = key != null && key.algorithm().equals(header.getAlgorithm()); // of the key, not of the token
            return isItsAlgorithm ? List.of(key.material()) : List.of();
        }
    }

    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

    Verify(Keys keys, String issuer, String audience) {
        JWTClaimsSet exact = new JWTClaimsSet.Builder().issuer(issuer).build();
        DefaultJWTClaimsVerifier<SecurityContext> claims = new DefaultJWTClaimsVerifier<>(audience, exact, REQUIRED);
        claims.setMaxClockSkew(LEEWAY);
        processor.setJWTClaimsSetVerifier(claims);
        processor.setJWSKeySelector((header, context) -> keys.of(header));
    }

    /** Returns the claims, or throws BadJOSEException, whatever the token is. */
    JWTClaimsSet check(String token) throws BadJOSEException {
        try {
            SignedJWT jwt = SignedJWT.parse(token);
            if (jwt.getHeader().getCriticalParams() != null || !jwt.getHeader().isBase64URLEncodePayload()) {
                throw new BadJOSEException("unknown extension");
            }
            JWTClaimsSet claims = processor.process(jwt, null);
            if (claims.getStringClaim("sid") == null) {
                throw new BadJOSEException("sid is missing");
            }
            return claims;
        } catch (ParseException | JOSEException | RuntimeException e) {
            throw new BadJOSEException("malformed: " + e.getMessage(), e);
        }
    }

    private boolean print(String token) {
        try {
            JWTClaimsSet claims = check(token.strip());
            List<String> roles = claims.getStringListClaim("roles");
            String names = roles == null || roles.isEmpty() ? "-" : String.join(",", roles);
            System.out.println("accepted sub=" + claims.getSubject() + " sid=" + claims.getClaim("sid") + " roles=" + names);
            return true;
        } catch (BadJOSEException | ParseException e) {
            System.out.println("refused: " + e.getMessage().replaceAll("\\s+", " "));
            return false;
        }
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = new HashMap<>(Map.of("--max-age", MAX_AGE));
        List<String> tokens = new ArrayList<>();
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].startsWith("--") && i + 1 < arguments.length) {
                options.put(arguments[i], arguments[++i]);
            } else {
                tokens.add(arguments[i]);
            }
        }
        Verify verify = null;
        try {
            double maxAge = Double.parseDouble(options.get("--max-age"));
            if (!options.keySet().containsAll(Set.of("--issuer", "--audience"))) {
                throw new IOException("--issuer and --audience are needed");
            }
            Keys keys = new Keys(options.get("--keys"), options.get("--jwks"), maxAge);
            verify = new Verify(keys, options.get("--issuer"), options.get("--audience"));
        } catch (IOException | ParseException | RuntimeException e) {
            System.err.println("cannot begin: " + e);
            System.exit(2);
        }
        boolean accepted = true;
        for (String token : tokens) {
            accepted &= verify.print(token);
        }
        if (tokens.isEmpty()) {
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                accepted &= verify.print(line);
            }
        }
        System.exit(accepted ? 0 : 1);
    }
}

// Verifies access tokens of jwtd with golang-jwt.
//
//	verify -issuer ISS -audience AUD [-keys DIRECTORY] [-jwks URL|FILE] [-max-age SECONDS] [TOKEN...]
//
// Without a TOKEN it reads them from standard input, one a line. A line of output each: "accepted sub=... sid=... roles=...", or
// "refused: " and why. It exits with 0 when all were accepted, 1 when one was refused, 2 when it could not begin.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	leeway  = 5 * time.Second // that two clocks may differ, as the service itself allows
	pause   = time.Second     // between two readings of the keys, at least
	maxAge  = 300             // seconds until the keys are read again in any case, so that one that was removed is forgotten
	timeout = 2 * time.Second // for the JWKS to come
	maxJWKS = 1 << 20
)

var kidPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// A key with the one algorithm that it is for.
type key struct {
	algorithm string
	material  any // []byte, *ecdsa.PublicKey or *rsa.PublicKey
}

// Keys by their kid. A kid is looked up, never made a path of.
type Keys struct {
	directory, jwks string
	maxAge          time.Duration
	mutex           sync.Mutex
	byKid           map[string]key
	readAt, tried   time.Time
}

func (k *Keys) find(kid string) (key, bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	_, known := k.byKid[kid]
	if (!known || time.Since(k.readAt) >= k.maxAge) && time.Since(k.tried) >= pause {
		_ = k.read() // if it fails, what is known stays in force
	}
	found, known := k.byKid[kid]
	return found, known
}

func (k *Keys) read() error {
	k.tried = time.Now()
	found := map[string]key{}
	if k.jwks != "" {
		if err := readJWKS(k.jwks, found); err != nil {
			return err
		}
	}
	if k.directory != "" {
		if err := readDirectory(k.directory, found); err != nil {
			return err
		}
	}
	k.byKid, k.readAt = found, time.Now()
	return nil
}

func readDirectory(directory string, found map[string]key) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		kid := strings.TrimSuffix(entry.Name(), ".hs256")
		if kid == entry.Name() || !kidPattern.MatchString(kid) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			continue // one key that cannot be read costs the others nothing
		}
		secret, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(text)))
		if err == nil && len(secret) >= 32 {
			found[kid] = key{"HS256", secret}
		}
	}
	return nil
}

type jwk struct{ Kid, Kty, Crv, Alg, Use, X, Y, N, E string }

func readJWKS(place string, found map[string]key) error {
	text, err := fetch(place)
	if err != nil {
		return err
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return err
	}
	if set.Keys == nil {
		return errors.New("no JWK Set")
	}
	for _, member := range set.Keys {
		var one jwk
		if json.Unmarshal(member, &one) != nil || one.Use != "" && one.Use != "sig" {
			continue
		}
		if read, err := one.key(); err == nil && (one.Alg == "" || one.Alg == read.algorithm) {
			found[one.Kid] = read
		}
	}
	return nil
}

func fetch(place string) ([]byte, error) {
	if !strings.HasPrefix(place, "http://") && !strings.HasPrefix(place, "https://") {
		return os.ReadFile(place)
	}
	client := http.Client{Timeout: timeout}
	reply, err := client.Get(place)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, errors.New(reply.Status)
	}
	return io.ReadAll(io.LimitReader(reply.Body, maxJWKS))
}

// The public key of a JWK. Never one of type "oct".
func (j jwk) key() (key, error) {
	decode := base64.RawURLEncoding.DecodeString
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		x, errX := decode(j.X)
		y, errY := decode(j.Y)
		if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
			return key{}, errors.New("not a point")
		}
		point := append(append([]byte{4}, x...), y...)
		public := ecdsa.PublicKey{Curve: elliptic.P256()}
		if public.X, public.Y = elliptic.Unmarshal(public.Curve, point); public.X == nil {
			return key{}, errors.New("not a point of the curve")
		}
		return key{"ES256", &public}, nil
	case j.Kty == "RSA":
		n, errN := decode(j.N)
		e, errE := decode(j.E)
		if errN != nil || errE != nil || len(n) < 256 || len(e) == 0 || len(e) > 3 {
			return key{}, errors.New("not an RSA key of 2048 bits or more")
		}
		return key{"RS256", &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}}, nil
	}
	return key{}, errors.New("not a public key of a known kind")
}

// Claims of an access token. Its Validate is called by the parser, after the signature and the registered claims were checked.
type Claims struct {
	jwt.RegisteredClaims
	Session string   `json:"sid"`
	Roles   []string `json:"roles"`
}

func (c Claims) Validate() error {
	if c.Subject == "" || c.Session == "" {
		return errors.New("sub or sid is missing")
	}
	return nil
}

// The key that a token may be verified with.
func (k *Keys) of(token *jwt.Token) (any, error) {
	for _, extension := range []string{"crit", "b64"} { // golang-jwt does not check crit
		if _, present := token.Header[extension]; present {
			return nil, errors.New("unknown extension")
		}
	}
	kid, _ := token.Header["kid"].(string)
	if !kidPattern.MatchString(kid) {
		return nil, errors.New("unknown key")
	}
	found, known := k.find(kid)
	if !known {
		return nil, errors.New("unknown key")
	}
	if token.Method.Alg() != found.algorithm { // of the key, not of the token
		return nil, errors.New("not the algorithm of the key")
	}
	return found.material, nil
}

func main() {
	keys := &Keys{}
	issuer := flag.String("issuer", "", "the claim iss")
	audience := flag.String("audience", "", "the claim aud")
	seconds := flag.Float64("max-age", maxAge, "seconds until the keys are read again")
	flag.StringVar(&keys.directory, "keys", "", "a directory of KID.hs256")
	flag.StringVar(&keys.jwks, "jwks", "", "URL or file of a JWKS")
	flag.Parse()
	keys.maxAge = time.Duration(*seconds * float64(time.Second))
	if *issuer == "" || *audience == "" {
		fmt.Fprintln(os.Stderr, "-issuer and -audience are needed")
		os.Exit(2)
	}
	if err := keys.read(); err != nil {
		fmt.Fprintln(os.Stderr, "no keys:", err)
		os.Exit(2)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256", "ES256", "RS256"}), jwt.WithIssuer(*issuer),
		jwt.WithAudience(*audience), jwt.WithLeeway(leeway), jwt.WithExpirationRequired())
	status := 0
	check := func(text string) {
		var claims Claims
		if _, err := parser.ParseWithClaims(strings.TrimSpace(text), &claims, keys.of); err != nil {
			fmt.Println("refused:", strings.Join(strings.Fields(err.Error()), " "))
			status = 1
			return
		}
		roles := strings.Join(claims.Roles, ",")
		if roles == "" {
			roles = "-"
		}
		fmt.Printf("accepted sub=%s sid=%s roles=%s\n", claims.Subject, claims.Session, roles)
	}
	for _, token := range flag.Args() {
		check(token)
	}
	for input := bufio.NewReader(os.Stdin); flag.NArg() == 0; {
		line, err := input.ReadString('\n')
		if line != "" {
			check(line)
		}
		if err != nil {
			break
		}
	}
	os.Exit(status)
}

package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// OWASP's minimum, and jwtd's default.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	saltLength   = 16
	keyLength    = 32
	hashWait     = 3 * time.Second
)

var (
	errBusy    = errors.New("too many passwords wait to be hashed")
	errBadHash = errors.New("not an argon2id hash")
)

// passwordHasher runs at most so many hashes at once: more would only take memory and make each other slower.
type passwordHasher struct {
	slots chan struct{}
	// What an unknown user's password is checked against, so that the reply takes as long as a known one's.
	dummy string
}

func newPasswordHasher(workers int) *passwordHasher {
	return &passwordHasher{
		slots: make(chan struct{}, workers),
		dummy: encode(make([]byte, saltLength), make([]byte, keyLength)),
	}
}

func (h *passwordHasher) acquire(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, hashWait, errBusy)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (h *passwordHasher) hash(ctx context.Context, password string) (string, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, saltLength)
	rand.Read(salt) // never returns an error
	return encode(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, keyLength)), nil
}

func (h *passwordHasher) verify(ctx context.Context, password, encoded string) (bool, error) {
	if encoded == "" {
		encoded = h.dummy
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	var version int
	var memory, passes uint32
	var threads uint8
	fields := strings.Split(encoded, "$")
	if len(fields) != 6 || fields[1] != "argon2id" {
		return false, errBadHash
	}
	if _, err := fmt.Sscanf(fields[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errBadHash
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, errBadHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	if err != nil {
		return false, errBadHash
	}
	want, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil {
		return false, errBadHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

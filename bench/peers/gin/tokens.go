package main

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	issuer          = "jwtd"
	audience        = "jwtd"
	accessTTL       = 15 * time.Minute
	leeway          = 30 * time.Second
	minSecretLength = 32
)

func init() {
	jwt.MarshalSingleStringAsArray = false // "aud": "jwtd"
}

type accessClaims struct {
	jwt.RegisteredClaims
	SessionID uuid.UUID `json:"sid"`
	Roles     []string  `json:"roles"`
}

// A refresh token names a session and a generation; whether it is still good is written in the session's row.
type refreshClaims struct {
	jwt.RegisteredClaims
	SessionID  uuid.UUID `json:"sid"`
	Generation int32     `json:"gen"`
}

type tokenIssuer struct {
	accessSecret  []byte
	refreshSecret []byte
	accessParser  *jwt.Parser
	refreshParser *jwt.Parser
}

func newTokenIssuer(accessSecret, refreshSecret []byte) *tokenIssuer {
	methods := jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()})
	return &tokenIssuer{
		accessSecret:  accessSecret,
		refreshSecret: refreshSecret,
		accessParser: jwt.NewParser(methods, jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway)),
		refreshParser: jwt.NewParser(methods),
	}
}

type tokenReply struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`
	RefreshToken     string `json:"refresh_token"`
	RefreshExpiresIn int64  `json:"refresh_expires_in"`
}

func (t *tokenIssuer) issue(s session) (tokenReply, error) {
	now := time.Now()
	access, err := jwt.NewWithClaims(jwt.SigningMethodHS256, accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Audience:  jwt.ClaimStrings{audience},
			Subject:   s.userID.String(),
			ID:        uuid.Must(uuid.NewV7()).String(),
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(accessTTL)),
		},
		SessionID: s.id,
		Roles:     s.roles,
	}).SignedString(t.accessSecret)
	if err != nil {
		return tokenReply{}, err
	}
	refresh, err := jwt.NewWithClaims(jwt.SigningMethodHS256, refreshClaims{
		SessionID:  s.id,
		Generation: s.generation,
	}).SignedString(t.refreshSecret)
	if err != nil {
		return tokenReply{}, err
	}
	return tokenReply{access, "Bearer", int64(accessTTL.Seconds()), refresh, s.expiresIn}, nil
}

func (t *tokenIssuer) verifyAccess(token string) (*accessClaims, error) {
	claims := &accessClaims{}
	_, err := t.accessParser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return t.accessSecret, nil })
	return claims, err
}

func (t *tokenIssuer) verifyRefresh(token string) (*refreshClaims, error) {
	claims := &refreshClaims{}
	_, err := t.refreshParser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return t.refreshSecret, nil })
	return claims, err
}

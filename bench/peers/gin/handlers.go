package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const claimsKey = "claims"

type api struct {
	store     store
	passwords *passwordHasher
	tokens    *tokenIssuer
}

type registration struct {
	Email    string `json:"email" binding:"required,email,max=254"`
	Password string `json:"password" binding:"required,min=8,max=1024"`
}

type loginAttempt struct {
	Email    string `json:"email" binding:"required,email,max=254"`
	Password string `json:"password" binding:"required,max=1024"`
}

type refreshRequest struct {
	RefreshToken string `json:"refresh_token" binding:"required,max=1024"`
}

func (a *api) register(c *gin.Context) {
	var body registration
	if !bindJSON(c, &body) {
		return
	}
	ctx := c.Request.Context()
	hash, err := a.passwords.hash(ctx, body.Password)
	if err != nil {
		abortWith(c, err)
		return
	}
	created, err := a.store.insertUser(ctx, body.Email, strings.ToLower(body.Email), hash)
	switch {
	case errors.Is(err, errNotFound):
		abort(c, emailTaken)
	case err != nil:
		abortWith(c, err)
	default:
		c.Header("Location", "/auth/me")
		c.JSON(http.StatusCreated, created)
	}
}

func (a *api) login(c *gin.Context) {
	var body loginAttempt
	if !bindJSON(c, &body) {
		return
	}
	ctx := c.Request.Context()
	found, err := a.store.findCredentials(ctx, strings.ToLower(body.Email))
	if err != nil && !errors.Is(err, errNotFound) {
		abortWith(c, err)
		return
	}
	matches, err := a.passwords.verify(ctx, body.Password, found.hash)
	if err != nil {
		abortWith(c, err)
		return
	}
	if !matches {
		abort(c, invalidCredentials)
		return
	}
	opened, err := a.store.openSession(ctx, found, c.RemoteIP(), c.Request.UserAgent())
	if err != nil {
		abortWith(c, err)
		return
	}
	a.replyTokens(c, opened)
}

func (a *api) refresh(c *gin.Context) {
	var body refreshRequest
	if !bindJSON(c, &body) {
		return
	}
	claims, err := a.tokens.verifyRefresh(body.RefreshToken)
	if err != nil {
		abort(c, invalidRefreshToken)
		return
	}
	rotated, err := a.store.rotateSession(c.Request.Context(), claims.SessionID, claims.Generation)
	switch {
	case errors.Is(err, errSessionReused):
		abort(c, refreshTokenReused)
	case errors.Is(err, errSessionExpired):
		abort(c, sessionExpired)
	case errors.Is(err, errNotFound):
		abort(c, invalidRefreshToken)
	case err != nil:
		abortWith(c, err)
	default:
		a.replyTokens(c, rotated)
	}
}

func (a *api) replyTokens(c *gin.Context, s session) {
	reply, err := a.tokens.issue(s)
	if err != nil {
		abort(c, internalError)
		return
	}
	c.JSON(http.StatusOK, reply)
}

// requireToken is the middleware of what needs an access token.
func (a *api) requireToken(c *gin.Context) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		abort(c, missingToken)
		return
	}
	claims, err := a.tokens.verifyAccess(token)
	if err != nil {
		abort(c, invalidToken)
		return
	}
	c.Set(claimsKey, claims)
}

func claimsOf(c *gin.Context) *accessClaims {
	return c.MustGet(claimsKey).(*accessClaims)
}

func (a *api) me(c *gin.Context) {
	id, err := uuid.Parse(claimsOf(c).Subject)
	if err != nil {
		abort(c, invalidToken)
		return
	}
	found, err := a.store.findUser(c.Request.Context(), id)
	switch {
	case errors.Is(err, errNotFound):
		abort(c, invalidToken)
	case err != nil:
		abortWith(c, err)
	default:
		c.JSON(http.StatusOK, found)
	}
}

// verify is for a proxy that asks whose token this is; what it copies into a request must always be there.
func (a *api) verify(c *gin.Context) {
	claims := claimsOf(c)
	roles := "-"
	if len(claims.Roles) > 0 {
		roles = strings.Join(claims.Roles, ",")
	}
	c.Header("X-Auth-Subject", claims.Subject)
	c.Header("X-Auth-Session", claims.SessionID.String())
	c.Header("X-Auth-Roles", roles)
	c.Status(http.StatusOK)
}

func (a *api) live(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "alive"})
}

func (a *api) ready(c *gin.Context) {
	if err := a.store.pool.Ping(c.Request.Context()); err != nil {
		c.Header("Retry-After", "1")
		c.JSON(http.StatusServiceUnavailable, gin.H{"status": "unhealthy", "checks": gin.H{"database": "failed"}})
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "healthy", "checks": gin.H{"database": "ok"}})
}

package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	sessionTTL  = 30 * 24 * time.Hour
	sessionIdle = 7 * 24 * time.Hour
)

type user struct {
	ID        uuid.UUID  `json:"id"`
	Email     string     `json:"email"`
	Roles     []string   `json:"roles"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt *time.Time `json:"updated_at,omitempty"`
}

type session struct {
	id         uuid.UUID
	userID     uuid.UUID
	generation int32
	roles      []string
	expiresIn  int64 // seconds, if it is not used
}

type credentials struct {
	userID uuid.UUID
	hash   string
	roles  []string
}

var (
	errNotFound       = errors.New("no such row")
	errSessionReused  = errors.New("refresh token was used before")
	errSessionExpired = errors.New("session has expired")
)

type store struct {
	pool *pgxpool.Pool
}

func notFoundIfNoRows(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotFound
	}
	return err
}

// insertUser returns errNotFound when the address is taken.
func (s store) insertUser(ctx context.Context, email, canonical, hash string) (user, error) {
	u := user{ID: uuid.Must(uuid.NewV7()), Email: email, Roles: []string{}}
	err := s.pool.QueryRow(ctx, `
		INSERT INTO users (id, email, email_canonical, password_hash)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (email_canonical) DO NOTHING
		RETURNING created_at`,
		u.ID, email, canonical, hash).Scan(&u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	return u, notFoundIfNoRows(err)
}

func (s store) findCredentials(ctx context.Context, canonical string) (credentials, error) {
	var found credentials
	err := s.pool.QueryRow(ctx, `
		SELECT id, password_hash, roles
		FROM users
		WHERE email_canonical = $1 AND disabled_at IS NULL`,
		canonical).Scan(&found.userID, &found.hash, &found.roles)
	return found, notFoundIfNoRows(err)
}

func (s store) findUser(ctx context.Context, id uuid.UUID) (user, error) {
	u := user{ID: id, UpdatedAt: new(time.Time)}
	err := s.pool.QueryRow(ctx, `
		SELECT email, roles, created_at, updated_at
		FROM users
		WHERE id = $1`,
		id).Scan(&u.Email, &u.Roles, &u.CreatedAt, u.UpdatedAt)
	u.CreatedAt, *u.UpdatedAt = u.CreatedAt.UTC(), u.UpdatedAt.UTC()
	return u, notFoundIfNoRows(err)
}

func (s store) openSession(ctx context.Context, owner credentials, ip, userAgent string) (session, error) {
	opened := session{uuid.Must(uuid.NewV7()), owner.userID, 1, owner.roles, int64(sessionIdle.Seconds())}
	address, _ := netip.ParseAddr(ip)
	_, err := s.pool.Exec(ctx, `
		INSERT INTO sessions (id, user_id, expires_at, ip, user_agent)
		VALUES ($1, $2, now() + $3::interval, $4, left($5, 512))`,
		opened.id, owner.userID, sessionTTL, address, userAgent)
	return opened, err
}

// rotateSession replaces the current refresh token of a session by the next one.
func (s store) rotateSession(ctx context.Context, id uuid.UUID, generation int32) (session, error) {
	rotated := session{id: id}
	err := s.pool.QueryRow(ctx, `
		UPDATE sessions s
		SET generation = generation + 1, rotated_at = now(), last_used_at = now()
		FROM users u
		WHERE s.id = $1 AND s.generation = $2 AND s.revoked_at IS NULL
			AND s.expires_at > now() AND s.last_used_at > now() - $3::interval
			AND u.id = s.user_id AND u.disabled_at IS NULL
		RETURNING s.user_id, s.generation, u.roles, extract(epoch FROM least(s.expires_at - now(), $3::interval))::bigint`,
		id, generation, sessionIdle).Scan(&rotated.userID, &rotated.generation, &rotated.roles, &rotated.expiresIn)
	if errors.Is(err, pgx.ErrNoRows) {
		return rotated, s.refuseRotation(ctx, id, generation)
	}
	return rotated, err
}

// refuseRotation returns why a token is not the current one of a live session. One that was used before ends the session.
func (s store) refuseRotation(ctx context.Context, id uuid.UUID, generation int32) error {
	var isReused, isLive bool
	err := s.pool.QueryRow(ctx, `
		WITH reused AS (
			UPDATE sessions SET revoked_at = now(), revoke_reason = 'reuse'
			WHERE id = $1 AND generation > $2 AND revoked_at IS NULL
			RETURNING id
		)
		SELECT coalesce(s.revoke_reason = 'reuse', false) OR EXISTS (SELECT FROM reused),
			s.revoked_at IS NULL AND u.disabled_at IS NULL
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.id = $1`,
		id, generation).Scan(&isReused, &isLive)
	switch {
	case err != nil:
		return notFoundIfNoRows(err)
	case isReused:
		return errSessionReused
	case isLive:
		return errSessionExpired
	}
	return errNotFound
}

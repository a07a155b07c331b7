package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/go-playground/validator/v10"
	"github.com/google/uuid"
)

const (
	maxBody         = 16 << 10
	requestIDHeader = "X-Request-Id"
	requestIDKey    = "request_id"
)

// problem is an error of RFC 9457, as jwtd words it.
type problem struct {
	status int
	code   string
	title  string
	detail string
}

var (
	invalidJSON          = problem{400, "invalid_json", "Invalid JSON", "The body is not one valid JSON text."}
	missingToken         = problem{401, "missing_token", "Missing token", "Send an access token as Authorization: Bearer."}
	invalidToken         = problem{401, "invalid_token", "Invalid token", "The access token is not valid, or has expired."}
	invalidCredentials   = problem{401, "invalid_credentials", "Invalid credentials", "The e-mail address or the password is wrong."}
	invalidRefreshToken  = problem{401, "invalid_refresh_token", "Invalid refresh token", "The refresh token is not valid; log in again."}
	refreshTokenReused   = problem{401, "refresh_token_reused", "Refresh token reused", "This refresh token was used before; its session has been ended."}
	sessionExpired       = problem{401, "session_expired", "Session expired", "The session has reached its end; log in again."}
	notFound             = problem{404, "not_found", "Not found", "There is nothing at this path."}
	methodNotAllowed     = problem{405, "method_not_allowed", "Method not allowed", "This path does not take this method."}
	emailTaken           = problem{409, "email_taken", "E-mail address taken", "An account with this e-mail address exists already."}
	bodyTooLarge         = problem{413, "body_too_large", "Body too large", "The body is larger than this service reads."}
	unsupportedMediaType = problem{415, "unsupported_media_type", "Unsupported media type", "Send the body as application/json."}
	validationFailed     = problem{422, "validation_failed", "Validation failed", "The body is not what this endpoint takes; see errors."}
	internalError        = problem{500, "internal_error", "Internal error", "The service made an error."}
	overloaded           = problem{503, "overloaded", "Overloaded", "The service is busy; try again after Retry-After."}
	databaseUnavailable  = problem{503, "database_unavailable", "Database unavailable", "The service cannot reach its database; try again."}
)

type fieldError struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

type problemBody struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      string       `json:"code"`
	RequestID string       `json:"request_id"`
	Errors    []fieldError `json:"errors,omitempty"`
}

func abort(c *gin.Context, p problem, fields ...fieldError) {
	switch p {
	case missingToken, invalidCredentials, invalidRefreshToken, refreshTokenReused, sessionExpired:
		c.Header("WWW-Authenticate", `Bearer realm="jwtd"`)
	case invalidToken:
		c.Header("WWW-Authenticate", `Bearer realm="jwtd", error="invalid_token"`)
	case overloaded, databaseUnavailable:
		c.Header("Retry-After", "1")
	}
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(p.status, problemBody{
		"/docs#" + p.code, p.title, p.status, p.detail, p.code, c.GetString(requestIDKey), fields,
	})
}

// abortWith answers a failure of the database or of the hasher; a client that has gone reads neither.
func abortWith(c *gin.Context, err error) {
	if errors.Is(err, errBusy) {
		abort(c, overloaded)
		return
	}
	log.Printf("%s %s: %v", c.Request.Method, c.FullPath(), err)
	abort(c, databaseUnavailable)
}

var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestHeaders is the middleware for what every reply carries.
func requestHeaders(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if id == "" || !validRequestID.MatchString(id) {
		id = uuid.Must(uuid.NewV7()).String()
	}
	c.Set(requestIDKey, id)
	c.Header(requestIDHeader, id)
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Next()
}

// What the errors of the validator are called.
var fieldCodes = map[string]struct{ code, detail string }{
	"required": {"required", "is missing"},
	"email":    {"invalid_email", "is not an e-mail address of the form name@example.org"},
	"min":      {"too_short", "is too short"},
	"max":      {"too_long", "is longer than this endpoint takes"},
}

func init() {
	if validate, ok := binding.Validator.Engine().(*validator.Validate); ok {
		validate.RegisterTagNameFunc(func(field reflect.StructField) string {
			return strings.Split(field.Tag.Get("json"), ",")[0]
		})
	}
}

// bindJSON reads the body into target, or answers why it cannot.
func bindJSON(c *gin.Context, target any) bool {
	if c.ContentType() != "application/json" {
		abort(c, unsupportedMediaType)
		return false
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	err := c.ShouldBindJSON(target)
	if err == nil {
		return true
	}
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	var invalid validator.ValidationErrors
	switch {
	case errors.As(err, &tooLarge):
		abort(c, bodyTooLarge)
	case errors.As(err, &wrongType):
		abort(c, validationFailed, fieldError{"/" + wrongType.Field, "wrong_type", wrongType.Field + " must be a " + wrongType.Type.String()})
	case errors.As(err, &invalid):
		abort(c, validationFailed, fieldErrors(invalid)...)
	default:
		abort(c, invalidJSON)
	}
	return false
}

func fieldErrors(invalid validator.ValidationErrors) []fieldError {
	fields := make([]fieldError, 0, len(invalid))
	for _, field := range invalid {
		known := fieldCodes[field.Tag()]
		fields = append(fields, fieldError{"/" + field.Field(), known.code, field.Field() + " " + known.detail})
	}
	return fields
}

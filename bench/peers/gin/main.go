// The API of jwtd written with Gin, for comparison: see ../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"
)

const shutdownGrace = 5 * time.Second

type config struct {
	listen        string
	databaseURL   string
	connections   int
	hashWorkers   int
	accessSecret  []byte
	refreshSecret []byte
}

func loadConfig() (config, error) {
	cfg := config{
		listen:        os.Getenv("LISTEN"),
		databaseURL:   os.Getenv("DATABASE_URL"),
		accessSecret:  []byte(os.Getenv("JWT_SECRET")),
		refreshSecret: []byte(os.Getenv("REFRESH_SECRET")),
	}
	if cfg.listen == "" || cfg.databaseURL == "" {
		return cfg, errors.New("LISTEN and DATABASE_URL must be set")
	}
	if len(cfg.accessSecret) < minSecretLength || len(cfg.refreshSecret) < minSecretLength {
		return cfg, fmt.Errorf("JWT_SECRET and REFRESH_SECRET must have at least %d bytes", minSecretLength)
	}
	var err error
	if cfg.connections, err = intEnv("DATABASE_CONNECTIONS", 8); err != nil {
		return cfg, err
	}
	cfg.hashWorkers, err = intEnv("HASH_WORKERS", runtime.GOMAXPROCS(0))
	return cfg, err
}

func intEnv(name string, otherwise int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		return 0, fmt.Errorf("%s must be a positive number", name)
	}
	return value, nil
}

// All connections are opened at the start, as jwtd does.
func openPool(ctx context.Context, cfg config) (*pgxpool.Pool, error) {
	poolConfig, err := pgxpool.ParseConfig(cfg.databaseURL)
	if err != nil {
		return nil, err
	}
	poolConfig.MaxConns = int32(cfg.connections)
	poolConfig.MinConns = int32(cfg.connections)
	return pgxpool.NewWithConfig(ctx, poolConfig)
}

func newRouter(api *api) *gin.Engine {
	router := gin.New()
	router.HandleMethodNotAllowed = true
	_ = router.SetTrustedProxies(nil) // the peer is the client; nil cannot fail
	router.Use(requestHeaders, gin.CustomRecoveryWithWriter(os.Stderr, func(c *gin.Context, _ any) { abort(c, internalError) }))
	router.NoRoute(func(c *gin.Context) { abort(c, notFound) })
	router.NoMethod(func(c *gin.Context) { abort(c, methodNotAllowed) })

	auth := router.Group("/auth")
	auth.POST("/register", api.register)
	auth.POST("/login", api.login)
	auth.POST("/refresh", api.refresh)
	auth.GET("/me", api.requireToken, api.me)
	auth.Any("/verify", api.requireToken, api.verify)
	auth.Any("/verify/*path", api.requireToken, api.verify)

	router.GET("/health/live", api.live)
	router.GET("/health/ready", api.ready)
	router.GET("/health", api.ready)
	return router
}

func run() error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()

	gin.SetMode(gin.ReleaseMode)
	api := &api{
		store:     store{pool},
		passwords: newPasswordHasher(cfg.hashWorkers),
		tokens:    newTokenIssuer(cfg.accessSecret, cfg.refreshSecret),
	}
	server := &http.Server{Addr: cfg.listen, Handler: newRouter(api), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	return server.Shutdown(ctx)
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

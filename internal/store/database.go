package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL for database/sql
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A database holds the index of a store: in SQLite or in PostgreSQL.
type database struct {
	*sql.DB
	dialect dialect
	name    string // for messages
}

// A dialect is what differs between the two.
type dialect struct {
	driver string
	// numbered placeholders are $1, $2, …, where SQL has ?.
	numbered bool
	// lock makes concurrent migrations wait for each other, inside a transaction.
	lock string
}

var (
	sqliteDialect   = dialect{driver: "sqlite"} // its transactions are immediate
	postgresDialect = dialect{driver: "pgx", numbered: true, lock: `SELECT pg_advisory_xact_lock(7586250155)`}
)

// How long another process may hold the database.
const busyTimeout = 5 * time.Second

// openSQLite opens the index in a file, which is made if need be.
func openSQLite(ctx context.Context, path string) (*database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)",
	}}
	dsn := (&url.URL{Scheme: "file", Path: abs, RawQuery: pragmas.Encode()}).String()
	return openDatabase(ctx, sqliteDialect, dsn, path)
}

// openMemory opens an index that ends with the process.
func openMemory(ctx context.Context) (*database, error) {
	d, err := openDatabase(ctx, sqliteDialect, "file::memory:?_pragma=foreign_keys(1)", "index in memory")
	if err == nil {
		d.SetConnMaxLifetime(0)
	}
	return d, err
}

func openPostgres(ctx context.Context, dsn string) (*database, error) {
	if err := CheckTeam(dsn); err != nil {
		return nil, err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	return openDatabase(ctx, postgresDialect, dsn, u.Redacted())
}

func openDatabase(ctx context.Context, d dialect, dsn, name string) (*database, error) {
	handle, err := sql.Open(d.driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if d.driver == sqliteDialect.driver {
		handle.SetMaxOpenConns(1) // a file has one writer, and memory is one connection
	}
	db := &database{handle, d, name}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(db.explain(err), handle.Close())
	}
	return db, nil
}

// sql puts a statement into the dialect.
func (d *database) sql(text string) string {
	if !d.dialect.numbered {
		return text
	}
	var b strings.Builder
	n := 0
	for _, c := range text {
		if c == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// transaction runs statements together or not at all.
func (d *database) transaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

//go:embed migrations/*.sql
var migrations embed.FS

// errNewerSchema tells that a newer program wrote the database.
var errNewerSchema = errors.New("it was written by a newer plumbline")

// migrate brings the schema up to date; each step is one file, and runs once.
func (d *database) migrate(ctx context.Context) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	switch version, err := d.version(ctx, d.DB); {
	case err == nil && version == len(steps):
		return nil // the common case takes no lock
	case sqliteCode(err) == sqlite3.SQLITE_BUSY:
		return err
	}
	return d.transaction(ctx, func(tx *sql.Tx) error {
		if d.dialect.lock != "" {
			if _, err := tx.ExecContext(ctx, d.dialect.lock); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)`); err != nil {
			return err
		}
		version, err := d.version(ctx, tx)
		switch {
		case err != nil:
			return err
		case version > len(steps):
			return fmt.Errorf("%w: its schema is version %d, and this program knows %d; update this program", errNewerSchema, version, len(steps))
		}
		for _, step := range steps[version:] {
			text, err := migrations.ReadFile(step)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
		if err := d.fillConditions(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM schema_version`); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, d.sql(`INSERT INTO schema_version (version) VALUES (?)`), len(steps))
		return err
	})
}

// A querier is a database or a transaction of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// version is how many migrations the schema has seen.
func (d *database) version(ctx context.Context, q querier) (int, error) {
	var version sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT max(version) FROM schema_version`).Scan(&version)
	return int(version.Int64), err
}

// explain says of an error which database it is, and what to do.
func (d *database) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case sqliteCode(err) == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%s: another process has held it for %s; try again when it has ended: %w", d.name, busyTimeout, err)
	}
	return fmt.Errorf("%s: %w", d.name, err)
}

// sqliteCode is SQLite's primary result code; 0 for other errors.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// corrupt reports whether an index file is broken, and has to be made anew.
func corrupt(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// unusable reports whether an index file can't be worked with for now, whatever
// the reason; the folders can.
func unusable(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB:
		return true
	}
	return errors.Is(err, errNewerSchema)
}

// setAside moves a broken index out of the way.
func setAside(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	err := os.Rename(path, path+".broken")
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process did it
	}
	return err
}

package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The bounds of what is read as keys.
const (
	// MinKey is the shortest key, in bytes: what is shorter can be guessed.
	MinKey     = 16
	maxKey     = 512
	maxKeyFile = 1 << 20
	maxKeys    = 1024
)

// ErrKey says that what was shown is no key.
var ErrKey = errors.New("no valid API key: send one as Authorization: Bearer KEY or as X-Api-Key: KEY")

// digest of a key. Digests are compared, not keys: they are of one length, so that the
// time a comparison takes tells nothing, not even how long a key is.
type digest = [sha256.Size]byte

// Keys are the API keys that may be shown. Make one with ReadKeys.
type Keys struct{ digests *watched[[]digest] }

// ReadKeys reads the keys in path: a file with one key a line, or a folder of such files,
// as a mounted Secret is. Names that begin with a dot are left out, as are empty lines
// and those that begin with '#'. The keys are read again when the files change; what
// cannot be read then is logged and the last that could be stay valid.
func ReadKeys(path string, log *slog.Logger) (*Keys, error) {
	w, err := watch([]string{path}, log, func() ([]digest, error) { return readDigests(path) })
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	return &Keys{digests: w}, nil
}

// Check returns ErrKey unless key is one of the keys.
func (k *Keys) Check(key string) error {
	shown := sha256.Sum256([]byte(key))
	found := 0
	for _, d := range k.digests.get() {
		found |= subtle.ConstantTimeCompare(shown[:], d[:])
	}
	if found != 1 {
		return ErrKey
	}
	return nil
}

// FromHeader is the key in the values of the headers Authorization and X-Api-Key.
func FromHeader(authorization, apiKey string) string {
	if scheme, key, ok := strings.Cut(authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return apiKey
}

// Wrap lets through requests that show a key, and those of which open says that they
// need none; others are answered 401 in the protocol's form.
func (k *Keys) Wrap(next http.Handler, open func(path string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open(r.URL.Path) {
			if err := k.Check(FromHeader(r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"))); err != nil {
				w.Header().Set("WWW-Authenticate", "Bearer")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = fmt.Fprintf(w, `{"error":%q,"reason":"unauthorized"}`+"\n", err.Error()) // the caller is gone if this fails
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// readDigests reads the keys in path.
func readDigests(path string) ([]digest, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		files = files[:0]
		for _, e := range entries {
			if e.Name()[0] != '.' {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	var all []digest
	for _, file := range files {
		if all, err = appendDigests(all, file); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no key, want one a line", path)
	}
	return all, nil
}

// appendDigests reads the keys in one file.
func appendDigests(all []digest, file string) ([]digest, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from: nothing can be lost
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("%s: more than %d bytes", file, maxKeyFile)
	}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		key := bytes.TrimSpace(text)
		switch {
		case len(key) == 0 || key[0] == '#':
			continue
		case len(key) < MinKey || len(key) > maxKey:
			return nil, fmt.Errorf("%s line %d: a key of %d bytes, want %d to %d", file, line, len(key), MinKey, maxKey)
		case len(all) >= maxKeys:
			return nil, fmt.Errorf("%s line %d: more than %d keys", file, line, maxKeys)
		}
		all = append(all, sha256.Sum256(key))
	}
	return all, nil
}

package setup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// maxDownload bounds what a download may write, in bytes.
const maxDownload = 1 << 30

// Downloader fetches published binaries. A machine that reaches nothing is
// found out within seconds.
type Downloader struct {
	Client *http.Client
}

// NewDownloader returns a Downloader that gives up on a host that does not
// answer within 5 s, and on a download that takes more than 10 min.
func NewDownloader() Downloader {
	return Downloader{Client: &http.Client{
		Timeout: 10 * time.Minute,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
		},
	}}
}

func (d Downloader) open(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", url, resp.Status), resp.Body.Close())
	}
	return resp.Body, nil
}

// File downloads url into an executable file.
func (d Downloader) File(ctx context.Context, url, dest string) (err error) {
	body, err := d.open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return writeExecutable(dest, body)
}

// Archive downloads a .tar.gz and writes those of its files that have one of
// the base names into dir. A name that the archive does not hold is an error.
func (d Downloader) Archive(ctx context.Context, url, dir string, names ...string) (err error) {
	body, err := d.open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	z, err := gzip.NewReader(body)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	missing := slices.Clone(names)
	for t := tar.NewReader(z); len(missing) > 0; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: holds no %v", url, missing)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
		base := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || !slices.Contains(missing, base) {
			continue
		}
		if err := writeExecutable(filepath.Join(dir, base), t); err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
		missing = slices.DeleteFunc(missing, func(n string) bool { return n == base })
	}
	return nil
}

func writeExecutable(dest string, r io.Reader) (err error) {
	f, err := os.OpenFile(dest, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, io.LimitReader(r, maxDownload+1))
	if err == nil && n > maxDownload {
		err = fmt.Errorf("%s: larger than %d bytes", filepath.Base(dest), maxDownload)
	}
	return err
}

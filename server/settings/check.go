package settings

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// defaultModels is where images have their models.
const defaultModels = "/models"

// maxUnsafeDelay bounds --unsafe-delay.
const maxUnsafeDelay = time.Minute

// check fills in what other settings decide and refuses values that cannot work.
func (s *Settings) check() error {
	for _, check := range []func() error{s.checkModels, s.checkDurations, s.checkBounds, s.checkAccess, s.checkAddresses} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (s *Settings) checkModels() error {
	switch {
	case s.Model != "" && s.Models != "":
		return fmt.Errorf("--model %s and --models %s: want one of them", s.Model, s.Models)
	case s.Model == "" && s.Name != "":
		return fmt.Errorf("--name %q without --model: the folders of --models name their models", s.Name)
	case s.Model == "" && s.Models == "":
		s.Models = defaultModels
	case s.Model != "" && s.Name == "":
		base := filepath.Base(s.Model)
		s.Name = strings.Trim(notInNames.ReplaceAllString(strings.TrimSuffix(base, filepath.Ext(base)), "-"), "-._")
		if s.Name == "" {
			s.Name = "model"
		}
	}
	if s.KeepVersions < 0 {
		return fmt.Errorf("--keep-versions %d: want 0 or more", s.KeepVersions)
	}
	return nil
}

func (s *Settings) checkDurations() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
		zero  bool // 0s has a meaning
	}{
		{"shutdown-timeout", s.ShutdownTimeout, false},
		{"read-header-timeout", s.ReadHeaderTimeout, false},
		{"read-timeout", s.ReadTimeout, false},
		{"predict-timeout", s.PredictTimeout, false},
		{"queue-wait", s.QueueWait, true},
		{"poll", s.Poll, true},
		{"grpc-max-connection-age", s.GRPCMaxConnectionAge, true},
		{"max-connection-age", s.MaxConnectionAge, true},
		{"drain-delay", s.DrainDelay, true},
		{"unsafe-delay", s.UnsafeDelay, true},
	} {
		switch {
		case d.value < 0 && d.zero:
			return fmt.Errorf("--%s %s: want 0s or more", d.flag, d.value)
		case d.value <= 0 && !d.zero:
			return fmt.Errorf("--%s %s: want more than 0s", d.flag, d.value)
		}
	}
	switch {
	case s.UnsafeDelay > maxUnsafeDelay:
		return fmt.Errorf("--unsafe-delay %s: want at most %s", s.UnsafeDelay, maxUnsafeDelay)
	case s.Drain && s.DrainDelay == 0:
		return errors.New("--drain-delay 0s with --drain on: nobody could see that the server drains; want more than 0s, or --drain off")
	case s.ReadHeaderTimeout > s.ReadTimeout:
		return fmt.Errorf("--read-header-timeout %s is longer than --read-timeout %s: want at most that",
			s.ReadHeaderTimeout, s.ReadTimeout)
	}
	return nil
}

func (s *Settings) checkBounds() error {
	for _, b := range []struct {
		flag         string
		value, least int64
	}{
		{"max-body-bytes", s.MaxBodyBytes, 1},
		{"max-rows", int64(s.MaxRows), 1},
		{"max-concurrency", int64(s.MaxConcurrency), 0},
		{"queue", int64(s.Queue), 0},
		{"max-connection-requests", int64(s.MaxConnectionRequests), 0},
		{"max-connections", int64(s.MaxConnections), 0},
	} {
		if b.value < b.least {
			return fmt.Errorf("--%s %d: want %d or more", b.flag, b.value, b.least)
		}
	}
	switch {
	case s.MaxHeldBytes < s.MaxBodyBytes:
		return fmt.Errorf("--max-held-bytes %d is less than --max-body-bytes %d: want at least that", s.MaxHeldBytes, s.MaxBodyBytes)
	case !(s.AccessLog >= 0 && s.AccessLog <= 1):
		return fmt.Errorf("--access-log %v: want 0 to 1", s.AccessLog)
	case s.Pod == "" || strings.ContainsFunc(s.Pod, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("--pod %q: want a name of printable ASCII without spaces", s.Pod)
	}
	return nil
}

func (s *Settings) checkAccess() error {
	switch {
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return fmt.Errorf("--tls-cert %q and --tls-key %q: want both or neither", s.TLSCert, s.TLSKey)
	case s.TLSClientCA != "" && s.TLSCert == "":
		return fmt.Errorf("--tls-client-ca %s without --tls-cert: client certificates need TLS", s.TLSClientCA)
	}
	return nil
}

func (s *Settings) checkAddresses() error {
	seen := map[string]string{}
	for _, a := range []struct{ flag, value string }{
		{"listen", s.Listen}, {"metrics-listen", s.MetricsListen}, {"grpc-listen", s.GRPCListen},
	} {
		if a.value == "" && a.flag == "grpc-listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			return fmt.Errorf("--%s %q: want HOST:PORT or :PORT: %w", a.flag, a.value, err)
		}
		if other := seen[a.value]; other != "" && !strings.HasSuffix(a.value, ":0") {
			return fmt.Errorf("--%s and --%s are both %q: want two addresses", other, a.flag, a.value)
		}
		seen[a.value] = a.flag
	}
	return nil
}
